"""Counting requests: the figures that every summary is made of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TypeVar

import polars as pl

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
"""Polars is quicker with small tables where they are data frames."""

COUNTED = ("bytes_sent", "number_of_requests", "number_of_downloads")
SUMS = pl.col(COUNTED).sum()
DOWNLOAD = 200
"""The status of a download. A range request has 206; of a Zarr store this counts chunks."""

LABEL_OF_1970 = 1 << 30
FIRST_REGION = 1 << 31
"""What usage is added up by, a day or a region, is a *label*: a number below 2**32.

A day's is `LABEL_OF_1970` and the days since 1970-01-01, a region's `FIRST_REGION` and its number.
"""


def counts() -> list[pl.Expr]:
    """Count requests: over `bytes_sent` and `status`, one row a request."""
    return [
        pl.col("bytes_sent").sum(),
        pl.len().cast(pl.Int64).alias("number_of_requests"),
        (pl.col("status") == DOWNLOAD).sum().cast(pl.Int64).alias("number_of_downloads"),
    ]


def label_of_day(date: pl.Expr) -> pl.Expr:
    """The label of a date."""
    return (date.to_physical().cast(pl.Int64) + LABEL_OF_1970).cast(pl.UInt32)


def label_of_region(number: pl.Expr) -> pl.Expr:
    """The label of a region, by its number."""
    return number.cast(pl.UInt32) + pl.lit(FIRST_REGION, pl.UInt32)


def day_of(label: pl.Expr) -> pl.Expr:
    """The `date` that a label stands for."""
    return (label.cast(pl.Int64) - LABEL_OF_1970).cast(pl.Int32).cast(pl.Date).alias("date")


def region_of(label: pl.Expr, regions: pl.Series) -> pl.Expr:
    """The `region` that a label stands for.

    Args:
        label: Of a region.
        regions: By number.
    """
    return pl.lit(regions).gather(label - FIRST_REGION).alias("region")


def renumbered(label: pl.Expr, numbers: pl.Series) -> pl.Expr:
    """Labels with other numbers of the regions: of each by the one that it has."""
    region = (label.cast(pl.Int64) - FIRST_REGION).clip(0)
    other = label_of_region(pl.lit(numbers).gather(region))
    return pl.when(label < FIRST_REGION).then(label).otherwise(other).alias("label")


def add_up(usage: Frame, by: str | Sequence[str]) -> Frame:
    """Add counts up by one or several columns."""
    return usage.group_by(by).agg(SUMS)


def by_date(usage: pl.DataFrame) -> pl.DataFrame:
    """Usage by day, in order: `date` and the counts."""
    return add_up(usage, "date").sort("date")


def by_label(usage: pl.DataFrame, label: str) -> pl.DataFrame:
    """Usage by region or asset: the most bytes first, then by name."""
    return add_up(usage, label).sort("bytes_sent", label, descending=[True, False])


ASSET_TYPES = {
    "Neurophysiology": ("nwb",),
    "Microscopy": ("nii", "tif", "tiff", "ome", "bvecs", "bvals", "trk"),
    "Video": ("mp4", "mov", "wmv", "avi", "mkv"),
}
OTHER_TYPE = "Miscellaneous"


@cache
def asset_type(path: str = "asset_path") -> pl.Expr:
    """The type of an asset by the suffix of its path; null for no path is Miscellaneous too.

    `.gz` says nothing of the type, nor does `.zarr` behind another suffix; a bare `.zarr` is
    Microscopy.
    """
    name = pl.col(path).str.to_lowercase().str.strip_suffix(".gz")
    deciding = name.str.strip_suffix(".zarr")
    decision = pl.when(False).then(None)
    for name_of_type, suffixes in ASSET_TYPES.items():
        has_suffix = deciding.str.contains(rf"\.(?:{'|'.join(suffixes)})$")
        decision = decision.when(has_suffix).then(pl.lit(name_of_type))
    return (
        decision.when(name.str.ends_with(".zarr"))
        .then(pl.lit("Microscopy"))
        .otherwise(pl.lit(OTHER_TYPE))
        .alias("asset_type")
    )


def by_type_per_week(usage: pl.DataFrame) -> pl.DataFrame:
    """Bytes per week and asset type.

    Args:
        usage: `date`, `asset_type`, `bytes_sent`.

    Returns:
        `week_start`, a Monday, in order, and a column for each type that occurs.
    """
    present = set(usage["asset_type"].unique())
    bytes_sent = pl.col("bytes_sent")
    return (
        usage.group_by(week_start=pl.col("date").dt.truncate("1w"))
        .agg(
            bytes_sent.filter(pl.col("asset_type") == name).sum().alias(name)
            for name in (*ASSET_TYPES, OTHER_TYPE)
            if name in present
        )
        .sort("week_start")
    )
