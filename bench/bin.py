"""Measure bin on a busy month.

    make bench-bin                    REQUESTS="2e7 1e8" measures months of these sizes

As a yardstick, the month's reduced days are read by Polars, and their lines are counted by `wc` as
text.
"""

import shutil
import sys

from _measure import run, run_main, tell
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
    print(f"A month of {requests:,} requests")
    text = folder / "requests.txt"
    run([sys.executable, "-c", WRITE, str(text), *map(str, days)])
    tell("yardstick: wc -l of the requests as text", run(["wc", "-l", str(text)]), requests)
    text.unlink()
    read = run([sys.executable, "-c", READ, *map(str, days)])
    tell("yardstick: Polars reads the reduced days", read, requests)
    out = folder / "measured"
    tell(
        "bin",
        run_main("bin", reduced=days, binned=out / "month.parquet", ips=out / "ips.parquet"),
        requests,
    )
    shutil.rmtree(out)


if __name__ == "__main__":
    for size in sizes():
        measure(size)
