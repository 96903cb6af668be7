"""Measure what comes after binning: route, assign, gather and map, on a busy month.

    make bench-map                    REQUESTS="2e7 1e8" measures months of these sizes

The maps of all Dandisets run one after the other in one process: what a job costs to start is not
in these figures. As a yardstick, the month's bins are read by Polars and taken apart.

Where many files were deleted lately, ext4 steps over each of them when it makes new ones, so that
`map` may take three times as long. So what is made is deleted at the very end, and the next
benchmark waits until that is forgotten.
"""

import pickle
import shutil
import sys
import time
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import polars as pl
from _measure import DATA, SCRIPTS, Cost, run, run_main, tell
from _month import binned_month, regions_of, sizes, write_snapshot

sys.path.insert(0, str(SCRIPTS))

from _tables import REGIONS_BY_HASH, write_table

DANDISETS = 300
MONTH = "2022-05"
READ = "import polars as pl; pl.read_parquet({path!r}).select(pl.col({column!r}).explode()).sum()"
MAP_ALL = """
import pickle, sys
sys.path.insert(0, {scripts!r})
import map
for arguments in pickle.load(sys.stdin.buffer):
    map.main(**arguments)
"""


SETTLING = 360
"""Seconds until ext4 takes no notice of a deleted file any more."""


def wait_until_settled(deleted: Path) -> None:
    """Wait if another benchmark deleted its files a while ago; it left `deleted` behind."""
    since = time.time() - deleted.stat().st_mtime if deleted.exists() else SETTLING
    if since < SETTLING:
        print(f"Waiting {SETTLING - since:.0f} s, for many files were deleted", flush=True)
        time.sleep(SETTLING - since)


def map_all(folder: Path, mapped: Path, *, asset_logs: bool) -> Cost:
    """Map every Dandiset that has activity, in one process."""
    activity = folder / "activity"
    jobs: list[dict[str, Any]] = [
        {
            "dandiset": path.name.split(".")[0],
            "activity": activity / path.name.replace(".assets", ""),
            "assets": path,
            "assigned": folder / "assigned",
            "asset_logs": asset_logs,
            "folder": mapped / path.name.split(".")[0],
        }
        for path in sorted(activity.glob("*.assets.parquet"))
    ]
    code = MAP_ALL.format(scripts=str(SCRIPTS))
    return run([sys.executable, "-c", code], pickle.dumps(jobs))


def measure(requests: int) -> None:
    """Measure a month of so many requests, and print what each step costs."""
    folder = binned_month(requests)
    binned, ips = folder / f"binned/{MONTH}.parquet", folder / f"binned/{MONTH}.ips.parquet"
    hashes, regions = folder / f"binned/{MONTH}.hashes.parquet", folder / "lookup/regions.parquet"
    run_main("hash_addresses", ips=ips, hashes=hashes, cache=folder / "cache")
    write_table(regions_of(pl.read_parquet(hashes)["hash"]), regions, REGIONS_BY_HASH)
    assets, objects = (folder / f"dandisets/{name}.parquet" for name in ("assets", "objects"))
    snapshot = folder / "snapshot.parquet"
    keys = pl.scan_parquet(binned).select("object_key").unique(maintain_order=True).collect()
    write_snapshot(keys["object_key"], DANDISETS, snapshot)
    listing = folder / "dandisets/listing.json"
    run_main("list_dandisets", snapshot=snapshot, assets=assets, objects=objects, listing=listing)

    print(f"A month of {requests:,} requests, {len(keys):,} objects, {DANDISETS} Dandisets")
    code = READ.format(path=str(binned), column="bytes_sent")
    tell("yardstick: Polars reads the bins", run([sys.executable, "-c", code]), requests)
    of_month = {
        name: folder / f"assigned/{MONTH}.{name}.parquet"
        for name in ("labels", "usage", "dandisets_by_day", "dandisets_by_region")
    }
    tables = {
        "objects": folder / f"assigned/{MONTH}.objects.parquet",
        "requesters": folder / f"binned/{MONTH}.requesters.parquet",
    }
    before = {
        "route": run_main(
            "route",
            months=[MONTH],
            binned=[binned],
            hashes=[hashes],
            regions=regions,
            objects=objects,
            routed=folder / "lookup/routed.json",
        )
    }
    for asset_logs in (False, True):
        mapped = folder / ("mapped_with_logs" if asset_logs else "mapped")
        steps = {
            **before,
            "assign": run_main(
                "assign",
                binned=binned,
                routes=folder / f"lookup/{MONTH}.parquet",
                regions=folder / f"lookup/{MONTH}.regions.parquet",
                assigned=folder / f"assigned/{MONTH}.parquet",
                asset_logs=asset_logs,
                **of_month,
                **tables,
            ),
            "gather": run_main(
                "gather",
                months=[MONTH],
                hashes=[hashes],
                dandiset_assets=assets,
                dandiset_objects=objects,
                gathered=folder / "activity/gathered.json",
                mapped=mapped,
                **{name: [path] for name, path in tables.items()},
            ),
            "map": map_all(folder, mapped, asset_logs=asset_logs),
        }
        print("With the log of every asset" if asset_logs else "Summaries only")
        for name, cost in steps.items():
            tell(f"  {name}", cost, requests)
        tell("  together", reduce(add, steps.values()), requests)


def clean_up(folder: Path) -> None:
    """Delete what was made in the folder of a month."""
    made = ("assigned", "activity", "lookup", "mapped", "mapped_with_logs", "dandisets", "cache")
    for name in made:
        shutil.rmtree(folder / name)


if __name__ == "__main__":
    deleted = DATA / "deleted"
    wait_until_settled(deleted)
    for size in sizes():
        measure(size)
    for size in sizes():
        clean_up(binned_month(size))
    deleted.touch()
