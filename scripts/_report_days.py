"""What the days of logs came to, for the maintainer: exact, and private."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from _summaries import read_summary


def read_accounting(path: Path, classes: tuple[str, ...]) -> pl.DataFrame:
    """The accounts of all days: `date` as a date, `lines`, and a column per class.

    Args:
        path: `accounting.tsv`; columns that are not asked for are left out.
        classes: Of lines.
    """
    table = pl.read_csv(path, separator="\t", quote_char=None, infer_schema=False)
    return table.select(
        pl.col("date").str.to_date("%Y-%m-%d"), pl.col("lines", *classes).cast(pl.Int64)
    )


def missing_days(days: pl.Series, excluded_years: frozenset[int]) -> pl.DataFrame:
    """The days without a log between the first and the last: a row a gap, `first`, `last`, `days`.

    Args:
        days: Those with a log, in ascending order.
        excluded_years: Years whose days nobody misses.
    """
    empty = {"first": pl.Date, "last": pl.Date, "days": pl.UInt32}
    if not len(days):
        return pl.DataFrame(schema=empty)
    every = pl.DataFrame({"day": pl.date_range(days.min(), days.max(), "1d", eager=True)})
    missing = every.filter(
        ~pl.col("day").is_in(days.implode()), ~pl.col("day").dt.year().is_in(list(excluded_years))
    )
    # In a gap the day and its place among the missing grow alike.
    gap = pl.col("day").to_physical() - pl.int_range(pl.len())
    return (
        missing.group_by(gap=gap)
        .agg(first=pl.col("day").min(), last=pl.col("day").max(), days=pl.len())
        .sort("first")
        .select(pl.col(name).cast(dtype) for name, dtype in empty.items())
    )


def undetermined_by_day(mapped: Path) -> pl.DataFrame:
    """Bytes of each day: `date`, `bytes_sent`, and of these the `undetermined` ones."""
    archive = read_summary(mapped / "archive_summary_by_day.tsv").select("date", "bytes_sent")
    path = mapped / "undetermined" / "dandiset_summary_by_day.tsv"
    if path.exists():
        part = read_summary(path).select("date", undetermined="bytes_sent")
    else:
        part = pl.DataFrame(schema={"date": pl.String, "undetermined": pl.Int64})
    return archive.join(part, on="date", how="left", maintain_order="left").with_columns(
        pl.col("date").str.to_date("%Y-%m-%d"), pl.col("undetermined").fill_null(0)
    )
