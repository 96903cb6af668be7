"""Measure bin on a busy month.

    make bench-bin                    REQUESTS="2e7 1e8" measures months of these sizes

As a yardstick, the month's reduced days are read by Polars, and their lines are counted by `wc` as
text.
"""

import shutil
import sys

from _measure import RUNS, best, by_core, run, tell
from _month import reduced_days, sizes

READ = "import polars as pl, sys; [pl.read_parquet(day) for day in sys.argv[1:]]"
WRITE = """
import polars as pl, sys
for day in sys.argv[2:]:
    with open(sys.argv[1], "ab") as text:
        pl.read_parquet(day).write_csv(text, separator=" ", include_header=False)
"""


def measure(requests: int) -> None:
    """Measure a month of so many requests, and print what it costs."""
    days = reduced_days(requests)
    folder = days[0].parents[3]
    print(f"A month of {requests:,} requests, the best of {RUNS}")
    out = folder / "measured"
    binned, ips = out / "month.parquet", out / "ips.parquet"
    tell("bin", best("bin", reduced=days, binned=binned, ips=ips), requests)
    shutil.rmtree(out)
    reads = [run([sys.executable, "-c", READ, *map(str, days)]) for _ in range(RUNS)]
    tell("yardstick: Polars reads the reduced days", min(reads, key=by_core), requests)
    # Last, for a machine takes some time to find memory again that a large file has had.
    text = folder / "requests.txt"
    run([sys.executable, "-c", WRITE, str(text), *map(str, days)])
    tell("yardstick: wc -l of the requests as text", run(["wc", "-l", str(text)]), requests)
    text.unlink()


if __name__ == "__main__":
    for size in sizes():
        measure(size)
