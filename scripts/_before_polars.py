"""What has to be settled before Polars is imported: import this first.

Polars counts its threads when it is imported, and Snakemake does not tell it (it does tell OpenMP
and MKL), so that without this every job would take the whole machine.

What a job frees it soon needs again, so the allocator of Polars shall keep it for some seconds: to
give it back to the system at once, as it does, and to get it again page by page costs assign a
tenth of its time.
"""

import os
import sys

job = getattr(sys.modules["__main__"], "snakemake", None)
if job is not None:
    os.environ["POLARS_MAX_THREADS"] = str(job.threads)
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:10000")
