"""Measure a night: one busy day on a year of binned requests, from the raw log to published files.

    make bench-nightly REQUESTS=20e6 LINES=5e6

The year is made of reduced days, as if their raw logs had been archived away, and run once before
the night; it is kept in bench/data and used again. The busy day is the last one of December, so the
whole month is binned again.
"""

import argparse
import datetime as dt
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import simulate
from _workflow import DATA, Measured, run
from archive_parts import (
    Asset,
    day_path,
    write_config,
    write_regions,
    write_services,
    write_snapshot,
    zipf,
)

YEAR = 2022
BUSY_DAY = dt.date(YEAR, 12, 31)
KEYS = 50_000
ADDRESSES = 100_000
LISTED = 0.9
"""The share of objects that a Dandiset lists."""


def assets(dandisets: int) -> Iterator[Asset]:
    """The objects of the year in Dandisets, a few of which hold most of them."""
    rng = Random(1)
    for number, content in enumerate(simulate.contents_of_day(Random(0), KEYS)):
        if rng.random() < LISTED:
            dandiset = f"{zipf(rng, dandisets) + 1:06}"
            end = "ome.zarr" if content.kind == "zarr" else "nwb"
            path = f"sub-{number % 100:02}/sub-{number % 100:02}_{number}.{end}"
            created = "2021-03-04T05:06:07Z"
            yield Asset(dandiset, "draft", path, content, created)
            if rng.random() < 0.5:
                yield Asset(dandiset, "0.220126.2143", path, content, created)


def make_year(archive: Path, requests: int, dandisets: int, *, asset_logs: bool) -> None:
    """Write a year of reduced days but its last, the Dandisets, the regions and the settings."""
    results = archive / "results"
    for month in range(1, 13):
        simulate.reduced(
            results, year=YEAR, month=month, requests=requests, keys=KEYS, addresses=ADDRESSES
        )
    for end in (".parquet", ".json"):
        (results / "reduced" / f"{BUSY_DAY:%Y/%m/%d}{end}").unlink()
    (archive / "raw").mkdir()
    write_snapshot(archive / "snapshot.tsv", assets(dandisets))
    write_regions(archive / "regions.mmdb")
    services = write_services(archive / "services")
    write_config(archive, regions={"services": services}, mapping={"asset_logs": asset_logs})


def prepared(archive: Path, requests: int, dandisets: int, *, asset_logs: bool) -> None:
    """Make the year and run the workflow on it, unless that was done before."""
    if not (archive / "config.yaml").exists():
        shutil.rmtree(archive, ignore_errors=True)
        print(f"Making a year of 12 × {requests:,} requests in {archive}", flush=True)
        make_year(archive, requests, dandisets, asset_logs=asset_logs)
    if not (archive / "results/published").exists():
        tell("The year, from reduced days on", run(archive))


def tell(what: str, run: Measured) -> None:
    """Print what a run took, rule by rule in the order in which they began."""
    print(f"\n{what}: {run.seconds:.1f} s by the clock, {run.core_seconds:.1f} s of a core\n")
    heads = ("jobs", "began at", "seconds", "of a core", "peak")
    print("{:<18}{:>6}{:>11}{:>11}{:>11}{:>11}".format("", *heads))
    for row in run.rules.iter_rows(named=True):
        print(
            f"{row['rule']:<18}{row['jobs']:>6}{row['began']:>9.1f} s{row['seconds']:>9.1f} s"
            f"{row['core_seconds']:>9.1f} s{row['peak'] / 1e6:>8.0f} MB"
        )
    own = run.core_seconds - run.rules["core_seconds"].sum()
    print(f"{'Snakemake':<46}{own:>9.1f} s{run.peak / 1e6:>8.0f} MB", flush=True)


def main() -> None:
    """Measure a night."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=simulate.quantity, default=20_000_000, help="a month")
    parser.add_argument("--lines", type=simulate.quantity, default=5_000_000, help="of the day")
    parser.add_argument("--dandisets", type=int, default=500)
    parser.add_argument("--no-asset-logs", action="store_true")
    options = parser.parse_args()
    name = f"nightly-{options.requests}-{options.dandisets}"
    archive = DATA / (name + ("-no-logs" if options.no_asset_logs else ""))
    prepared(archive, options.requests, options.dandisets, asset_logs=not options.no_asset_logs)
    log = day_path(archive / "raw", BUSY_DAY)
    log.parent.mkdir(parents=True, exist_ok=True)
    lines = simulate.day(
        log, lines=options.lines, date=BUSY_DAY, objects=KEYS, addresses=ADDRESSES // 5
    )
    tell(f"A night with {lines:,} lines, {log.stat().st_size / 1e9:.2f} GB", run(archive))


if __name__ == "__main__":
    main()
