"""The tables that stages hand to each other, and the one way to write them.

Columns are those of docs/architecture.md. A table is written whole, beside its target, and renamed.
"""

from __future__ import annotations

import datetime as dt
import filecmp
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
from _files import replacing
from polars.io.plugins import register_io_source

TIMESTAMP = pl.Datetime("ms", "UTC")
UNDETERMINED = "undetermined"
"""Stands for a Dandiset where no known asset holds what was asked for."""

REDUCED = pl.Schema(
    {
        "timestamp": TIMESTAMP,
        "ip_address": pl.String,
        "object_key": pl.String,
        "bytes_sent": pl.Int64,
        "status": pl.UInt16,
    }
)
BINNED = pl.Schema(
    {
        "object_key": pl.String,
        "timestamp": pl.List(TIMESTAMP),
        "ip": pl.List(pl.UInt32),
        "bytes_sent": pl.List(pl.Int64),
        "status": pl.List(pl.UInt16),
    }
)
IPS = pl.Schema({"ip_address": pl.String})
HASHES = pl.Schema({"hash": pl.Binary})
"""One row per row of the month's ips, in their order."""
REGIONS_BY_HASH = pl.Schema({"hash": pl.Binary, "region": pl.String})
CACHED_REGIONS = pl.Schema({"hash": pl.Binary, "region": pl.String, "checked": pl.Date})
"""`checked` is the day on which the region was found, or found to be the same."""
ASSETS = pl.Schema(
    {
        "dandiset": pl.String,
        "version": pl.String,
        "path": pl.String,
        "object_key": pl.String,
    }
)
OBJECTS = pl.Schema(
    {
        "object_key": pl.String,
        "dandiset": pl.String,
        "owner": pl.Boolean,
        "asset_path": pl.String,
    }
)
"""One row per object and Dandiset that holds it; `asset_path` is its newest path there."""
ROUTES = pl.Schema(
    {
        "object_key": pl.String,
        "dandiset": pl.String,
        "owner": pl.Boolean,
        "asset_type": pl.String,
    }
)
REGIONS = pl.Schema({"region": pl.String})
"""One row per row of the month's ips, in their order."""

COUNTS = {
    "bytes_sent": pl.Int64,
    "number_of_requests": pl.Int64,
    "number_of_downloads": pl.Int64,
}
ASSIGNED = pl.Schema(
    {
        "dandiset": pl.String,
        "object_key": pl.String,
        "timestamp": pl.List(TIMESTAMP),
        "bytes_sent": pl.List(pl.Int64),
        "region": pl.List(pl.UInt32),
    }
)
"""`region` is the row index in the month's region labels."""
LABELS = pl.Schema({"region": pl.String})
USAGE = pl.Schema({"dandiset": pl.String, "object": pl.UInt32, "label": pl.UInt32, **COUNTS})
"""Usage by object and day, and by object and region.

`object` is the number of the object's row among those of the Dandiset in the month's `DIGESTS`, and
`label` a day, or a region by its row index in the month's region labels: see `_usage`.
"""
DANDISETS_BY_DAY = pl.Schema(
    {"dandiset": pl.String, "asset_type": pl.String, "date": pl.Date, **COUNTS}
)
"""Of what the Dandiset owns."""
DANDISETS_BY_REGION = pl.Schema({"dandiset": pl.String, "region": pl.String, **COUNTS})
"""Of what the Dandiset owns."""
DIGESTS = pl.Schema(
    {
        "dandiset": pl.String,
        "object_key": pl.String,
        "owner": pl.Boolean,
        **COUNTS,
        "first_date": pl.Date,
        "last_date": pl.Date,
        "digest": pl.UInt64,
    }
)
REQUESTERS = pl.Schema({"dandiset": pl.String, "ip": pl.UInt32})
ACTIVITY = pl.Schema(
    {
        "object_key": pl.String,
        "owner": pl.Boolean,
        "month": pl.String,
        **COUNTS,
        "digest": pl.UInt64,
        "number_of_requesters": pl.Int64,
    }
)
PLACEMENTS = pl.Schema(
    {"object_key": pl.String, "asset_path": pl.String, "version": pl.String, "path": pl.String}
)


DATA_PAGE_SIZE = 8 << 20
"""Bytes of a page of Parquet. Lists of a million requests compress and decompress faster, and to a
tenth less, in these than in the pages of 1 MiB that Polars makes."""


def scan_placements(folder: Path, dandisets: Iterable[str]) -> pl.LazyFrame:
    """The assets of all objects of some Dandisets with activity: `dandiset`, `PLACEMENTS`."""
    return scan_dandisets(folder, dandisets, ".assets.parquet", PLACEMENTS)


def scan_dandisets(
    folder: Path, dandisets: Iterable[str], end: str, schema: pl.Schema
) -> pl.LazyFrame:
    """The tables of some Dandisets, `{dandiset}{end}`, as one: `dandiset`, and the columns of each.

    One scan of all files: as many scans as files take Polars ten times as long, in many threads.
    """
    paths = [folder / f"{dandiset}{end}" for dandiset in dandisets]
    if not paths:
        return pl.LazyFrame(schema={"dandiset": pl.String, **schema})
    name = pl.col("path of file").str.extract("([^/]+)$").str.strip_suffix(end)
    return pl.scan_parquet(paths, schema=schema, include_file_paths="path of file").select(
        name.alias("dandiset"), *schema
    )


def inside(begin: dt.datetime | None, end: dt.datetime | None) -> pl.Expr:
    """Whether a request is of a time: from `begin` on, before `end`; None is no bound."""
    holds = pl.lit(True)
    if begin is not None:
        holds &= pl.col("timestamp") >= pl.lit(begin, TIMESTAMP)
    if end is not None:
        holds &= pl.col("timestamp") < pl.lit(end, TIMESTAMP)
    return holds


class ContractError(Exception):
    """A table does not have the columns that its contract names."""


def write_table(
    table: pl.LazyFrame | pl.DataFrame,
    path: Path,
    schema: pl.Schema,
    *,
    row_group_size: int | None = None,
    compression: str = "zstd",
) -> None:
    """Write a table as Parquet once its columns are those of its contract.

    Args:
        table: In the order in which its rows shall stand; its columns may come in any order.
        path: Where to.
        schema: The contract.
        row_group_size: Rows per row group, where readers skip by them.
        compression: `zstd`, or `lz4`, which takes a third more room, and a quarter less time.

    Raises:
        ContractError: A column is missing or of another type.
    """
    table = table.lazy()
    have = table.collect_schema()
    wrong = [
        f"{name} is {have.get(name, 'missing')}, not {dtype}"
        for name, dtype in schema.items()
        if have.get(name) != dtype
    ]
    if wrong:
        raise ContractError(f"{path.name}: {'; '.join(wrong)}")
    # Given a name, Polars may open the file only after a failed write has been cleaned up.
    with replacing(path) as beside, beside.open("wb") as file:
        table.select(schema.names()).sink_parquet(
            file,
            compression=compression,
            compression_level=1 if compression == "zstd" else None,
            row_group_size=row_group_size,
            data_page_size=DATA_PAGE_SIZE,
            maintain_order=True,
        )


def write_if_changed(table: pl.LazyFrame | pl.DataFrame, path: Path, schema: pl.Schema) -> bool:
    """Write a small table unless the same stands there already; say whether it was written.

    A file that stays as it was keeps its time, so that Snakemake finds nothing to do below it.
    """
    fresh = path.with_name(f".{path.name}.fresh")
    write_table(table, fresh, schema)
    same = path.exists() and filecmp.cmp(fresh, path, shallow=False)
    if same:
        fresh.unlink()
    else:
        fresh.replace(path)
    return not same


def from_frames(frames: Iterable[pl.DataFrame], schema: pl.Schema) -> pl.LazyFrame:
    """A lazy table whose rows come frame by frame, so that no more than a few are ever in memory.

    It can be collected once.
    """

    def source(
        columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        for frame in frames:
            part = frame if predicate is None else frame.filter(predicate)
            part = part if columns is None else part.select(columns)
            if n_rows is not None:
                part = part.head(n_rows)
                n_rows -= len(part)
            yield part
            if n_rows == 0:
                return

    return register_io_source(source, schema=schema)
