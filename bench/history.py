"""Measure what many months cost those who read all of them: gather each night, and lookup.

    make bench-history

A month is binned and assigned, and stands for 84 by as many copies.
"""

import shutil
import sys
from pathlib import Path

import polars as pl
from _measure import SCRIPTS, Cost, run, run_main, tell
from _month import KEYS, binned_month, regions_of, write_snapshot

sys.path.insert(0, str(SCRIPTS))

from _tables import REGIONS_BY_HASH, write_table

MONTHS = [f"{2018 + number // 12}-{number % 12 + 1:02}" for number in range(84)]
REQUESTS = 2_000_000
"""Of a month."""
DANDISETS = 1_000
COPIED = {
    "binned": ("parquet", "ips.parquet", "hashes.parquet", "requesters.parquet"),
    "assigned": ("objects.parquet",),
}
"""The tables of a month that are read, by their folders and the ends of their names."""


def assigned_month(folder: Path) -> None:
    """List the objects of the month that is binned in `folder/binned`, and assign it."""
    month = "2022-05"
    binned, ips = folder / f"binned/{month}.parquet", folder / f"binned/{month}.ips.parquet"
    hashes, regions = folder / f"binned/{month}.hashes.parquet", folder / "lookup/regions.parquet"
    run_main("hash_addresses", ips=ips, hashes=hashes, cache=folder / "cache")
    write_table(regions_of(pl.read_parquet(hashes)["hash"]), regions, REGIONS_BY_HASH)
    keys = pl.scan_parquet(binned).select("object_key").unique(maintain_order=True).collect()
    write_snapshot(keys["object_key"], DANDISETS, folder / "snapshot.parquet")
    run_main(
        "list_dandisets",
        snapshot=folder / "snapshot.parquet",
        listing=folder / "dandisets/listing.json",
        **{name: folder / f"dandisets/{name}.parquet" for name in ("assets", "objects")},
    )
    run_main(
        "route",
        months=[month],
        binned=[binned],
        hashes=[hashes],
        regions=regions,
        objects=folder / "dandisets/objects.parquet",
        routed=folder / "lookup/routed.json",
    )
    of_month = ("labels", "usage", "dandisets_by_day", "dandisets_by_region")
    run_main(
        "assign",
        binned=binned,
        routes=folder / f"lookup/{month}.parquet",
        regions=folder / f"lookup/{month}.regions.parquet",
        assigned=folder / f"assigned/{month}.parquet",
        objects=folder / f"assigned/{month}.objects.parquet",
        requesters=folder / f"binned/{month}.requesters.parquet",
        asset_logs=False,
        **{name: folder / f"assigned/{month}.{name}.parquet" for name in of_month},
    )


def many_months(folder: Path) -> Path:
    """Copy the month of `folder` as often as there are months; returns the folder of results."""
    results = folder / "history"
    shutil.rmtree(results, ignore_errors=True)
    shutil.copytree(folder / "dandisets", results / "dandisets")
    for name, ends in COPIED.items():
        (results / name).mkdir()
        for month in MONTHS:
            for end in ends:
                shutil.copy(folder / name / f"2022-05.{end}", results / name / f"{month}.{end}")
    return results


def gather(results: Path) -> Cost:
    """Gather all months, as each night does."""
    dandisets = results / "dandisets"
    return run_main(
        "gather",
        months=MONTHS,
        objects=[results / f"assigned/{month}.objects.parquet" for month in MONTHS],
        requesters=[results / f"binned/{month}.requesters.parquet" for month in MONTHS],
        hashes=[results / f"binned/{month}.hashes.parquet" for month in MONTHS],
        dandiset_assets=dandisets / "assets.parquet",
        dandiset_objects=dandisets / "objects.parquet",
        gathered=results / "activity/gathered.json",
        mapped=results / "mapped",
    )


def lookup(results: Path, *arguments: str) -> Cost:
    """Look up; its whole process counts."""
    script = str(SCRIPTS / "lookup.py")
    return run([sys.executable, script, "--results", str(results), *arguments])


def main() -> None:
    """Measure everything."""
    folder = binned_month(REQUESTS)
    assigned_month(folder)
    results = many_months(folder)
    keys = pl.scan_parquet(folder / "binned/2022-05.parquet").select("object_key")
    objects = pl.scan_parquet(folder / "dandisets/objects.parquet")
    listed = keys.join(objects, on="object_key", how="semi").collect()["object_key"].sort()
    unlisted = keys.join(objects, on="object_key", how="anti").collect()["object_key"].sort()
    size = sum(path.stat().st_size for path in results.rglob("*.parquet"))
    requests = REQUESTS * len(MONTHS)
    of_month = f"{REQUESTS:,} requests and {KEYS:,} objects"
    print(f"{len(MONTHS)} months of {of_month}, {size / 1e9:.1f} GB")
    tell("gather, the first time", gather(results), requests)
    tell("gather, nothing new", gather(results), requests)
    for what, key in (
        ("an object of a Dandiset", listed[0]),
        ("the busy Zarr store", listed[-1]),
        ("an object of none", unlisted[0]),
    ):
        tell(f"lookup of {what}", lookup(results, key), requests)
    tell("lookup of a Dandiset", lookup(results, "000001"), requests)
    shutil.rmtree(results)


if __name__ == "__main__":
    main()
