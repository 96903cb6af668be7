"""What the days of logs came to, for the maintainer: exact, and private."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from _summaries import read_summary

STEPS = {"1d": ("day", 190), "1w": ("week", 1100), "1mo": ("month", 10**6)}
"""A chart's step, what it is called, and for up to how many days it suits."""


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


def step_for(days: pl.Series) -> str:
    """The step that suits a chart of some days: `1d`, `1w` or `1mo`."""
    length = (days.max() - days.min()).days if len(days) else 0
    return next(step for step, (_, most) in STEPS.items() if length <= most)


def by_step(table: pl.DataFrame, step: str) -> pl.DataFrame:
    """Daily figures summed by step, every period from the first to the last: `start`, `end`, ….

    Args:
        table: `date`, and figures.
        step: `1d`, `1w` or `1mo`.
    """
    sums = table.group_by(start=pl.col("date").dt.truncate(step)).agg(pl.exclude("date").sum())
    every = sums.select(pl.date_range(pl.col("start").min(), pl.col("start").max(), step))
    return every.join(sums, on="start", how="left", maintain_order="left").with_columns(
        pl.exclude("start").fill_null(0), end=pl.col("start").dt.offset_by(step)
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
