"""Have Polars keep for some seconds what a job frees and soon needs again. Import this before it.

Polars has its allocator give memory back to the system after half a second, and to get it again
page by page costs assign up to a quarter of its time. Most jobs gain nothing, and gather takes a
fifth more memory.
"""

import os

# A process that has imported Polars hands that half second on to its children.
os.environ["_RJEM_MALLOC_CONF"] = "dirty_decay_ms:10000,muzzy_decay_ms:1000"
