"""Give Polars the threads that Snakemake gave the job. Import this before Polars.

Polars counts its threads when it is imported, and Snakemake does not tell it (it does tell OpenMP
and MKL), so that without this every job would take the whole machine.
"""

import os
import sys

job = getattr(sys.modules["__main__"], "snakemake", None)
if job is not None:
    os.environ["POLARS_MAX_THREADS"] = str(job.threads)
