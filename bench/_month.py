"""A simulated month to measure with: its reduced days, and a listing of what it asks for."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from _measure import DATA, ROOT, run_main

sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

import simulate  # noqa: E402
from _listing import SNAPSHOT  # noqa: E402

KEYS = 50_000
SHARED = 0.02
"""Of the objects, how many two Dandisets hold."""
UNKNOWN = 0.05
"""Of the objects, how many no Dandiset holds."""
REGIONS = 1_500


def sizes() -> list[int]:
    """The months to measure, by their requests: `REQUESTS="2e7 1e8"` of the environment."""
    return [int(float(size)) for size in os.environ.get("REQUESTS", "2e7").split()]


def reduced_days(requests: int) -> list[Path]:
    """The reduced days of a month, simulated if they are not there yet."""
    folder = DATA / f"month-{requests}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"Simulating a month of {requests:,} requests in {folder}", flush=True)
        simulate.reduced(folder, requests=requests, keys=KEYS)
        (folder / "complete").touch()
    return sorted(folder.glob("reduced/*/*/*.parquet"))


def binned_month(requests: int) -> Path:
    """The folder of a month whose bins are there, made if they are not there yet."""
    days = reduced_days(requests)
    folder = days[0].parents[3]
    ips, binned = folder / "binned/2022-05.ips.parquet", folder / "binned/2022-05.parquet"
    if not binned.exists():
        run_main("bin", reduced=days, binned=binned, ips=ips)
    return folder


def write_snapshot(keys: pl.Series, dandisets: int, path: Path) -> None:
    """List objects as assets of Dandisets, the first of which has the most, in two versions each.

    Args:
        keys: Object keys.
        dandisets: How many Dandisets there are.
        path: Where the snapshot goes, as Parquet.
    """
    rows = list(assets(keys, dandisets))
    columns = dict.fromkeys(SNAPSHOT, pl.String)
    pl.DataFrame(rows, columns, orient="row").with_columns(
        pl.col("size").cast(pl.Int64)
    ).write_parquet(path)


def assets(keys: pl.Series, dandisets: int) -> Iterator[tuple[str, ...]]:
    """The rows of the snapshot."""
    rng = simulate.Random(0)
    for number, key in enumerate(keys):
        if rng.random() < UNKNOWN and not key.startswith("zarr/"):
            continue
        kind = "zarr" if key.startswith("zarr/") else "blob"
        for _ in range(2 if rng.random() < SHARED else 1):
            dandiset = f"{simulate.zipf(rng, dandisets):06}"
            name = (
                f"sub-{number % 100:02}/sub-{number:05}.{'ome.zarr' if kind == 'zarr' else 'nwb'}"
            )
            for version in ("draft", "0.220401.1200"):
                created = f"2021-01-01T00:00:00.{number:06}Z"
                yield dandiset, version, name, key.rsplit("/", 1)[1], kind, "1", created


def regions_of(hashes: pl.Series) -> pl.DataFrame:
    """A region for each hash: `REGIONS_BY_HASH`."""
    labels = pl.Series(
        [f"{country}/Region {n}" for n in range(REGIONS // 3) for country in ("US", "DE", "JP")]
    )
    numbers = pl.int_range(len(hashes), eager=True) * 7919 % len(labels)
    return pl.DataFrame({"hash": hashes, "region": labels.gather(numbers)}).sort("hash")
