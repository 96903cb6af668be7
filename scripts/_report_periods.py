"""Days summed up by week and month, for charts."""

from __future__ import annotations

import datetime as dt

import polars as pl

STEPS = {"1d": ("day", 190), "1w": ("week", 1100), "1mo": ("month", 10**6)}
"""A chart's step, what it is called, and for up to how many days it suits."""


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
    starts = sums["start"]
    every = (
        pl.date_range(starts.min(), starts.max(), step, eager=True) if len(starts) else starts
    ).alias("start")
    return (
        every.to_frame()
        .join(sums, on="start", how="left", maintain_order="left")
        .with_columns(pl.exclude("start").fill_null(0), end=pl.col("start").dt.offset_by(step))
    )


def period_text(start: dt.date, step: str) -> str:
    """What a day, a week or a month is called."""
    return f"{start:%B %Y}" if step == "1mo" else f"week of {start}" if step == "1w" else str(start)
