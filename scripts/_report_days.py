"""What the days of logs came to, for the maintainer: exact, and private."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
from _days import days_between, spans
from _summaries import read_summary

Gap = tuple[dt.date, dt.date, int]
"""The first and the last day, and how many days."""


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


def missing_days(days: list[dt.date], excluded_years: frozenset[int]) -> list[Gap]:
    """The days without a log between the first and the last: the gaps, each with its length.

    Args:
        days: Those with a log, in ascending order.
        excluded_years: Years whose days nobody misses.
    """
    missing = (day for day in days_between(days) if day.year not in excluded_years)
    return [(first, last, (last - first).days + 1) for first, last in spans(missing)]


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
