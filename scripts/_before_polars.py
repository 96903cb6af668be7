"""What has to be settled before Polars is imported: import this first.

Polars counts its threads when it is imported, and Snakemake does not tell it (it does tell OpenMP
and MKL), so that without this every job would take the whole machine.

What a job frees it soon needs again, so that it shall keep it for some seconds. Polars has its
allocator give it back to the system after half a second, and to get it again page by page costs
assign a tenth of its time. A process that has imported Polars hands that setting on to its
children, so it is replaced.
"""

import os
import sys

job = getattr(sys.modules["__main__"], "snakemake", None)
if job is not None:
    os.environ["POLARS_MAX_THREADS"] = str(job.threads)
os.environ["_RJEM_MALLOC_CONF"] = "dirty_decay_ms:10000,muzzy_decay_ms:1000"
