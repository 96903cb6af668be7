"""Gather the accounts of all days into one table."""

import json
import logging
from pathlib import Path

import _threads  # noqa: F401
import polars as pl
from _log import UserError, logging_to
from _log_lines import CLASSES
from _raw_logs import Day
from _summaries import write_summary

log = logging.getLogger(__name__)

FEW_LINES = 10
"""Fewer malformed lines than these stop no run: the share of a day with few lines says little."""
NAMED_DAYS = 20


def read_account(path: Path) -> dict[str, str | int]:
    """A day's account: `date`, `lines` and a number per class.

    Raises:
        UserError: It cannot be read, or the classes do not add up to the lines.
    """
    year, month, name = path.parts[-3:]
    try:
        counts = json.loads(path.read_text())
        added_up = sum(counts[name] for name in CLASSES) == counts["lines"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is no account of a day. Delete it and run again.") from None
    if not added_up:
        raise UserError(f"{path}: the classes do not add up to the lines. Delete it and run again.")
    return {"date": "-".join(Day(year, month, name.removesuffix(".json"))), **counts}


def with_shares(accounts: pl.DataFrame) -> pl.DataFrame:
    """Add the share of each class in the lines of the day, `malformed_share` last; 0 of no line."""
    classes = sorted(CLASSES, key=lambda name: name == "malformed")
    return accounts.with_columns(
        pl.when(pl.col("lines") > 0)
        .then((pl.col(name) / pl.col("lines")).round(6))
        .otherwise(0.0)
        .alias(f"{name}_share")
        for name in classes
    )


def days_above(accounts: pl.DataFrame, share: float, *, least: int = 1) -> list[str]:
    """The days in which more than a share of the lines is malformed, the latest first.

    Args:
        accounts: `date`, `lines`, `malformed`.
        share: 0.05 is 5 %.
        least: Only days with so many malformed lines.

    Returns:
        Each day with its malformed lines and all its lines, to read.
    """
    malformed, lines = pl.col("malformed"), pl.col("lines")
    above = accounts.filter((malformed > share * lines) & (malformed >= least))
    days = above.sort("date", descending=True).select("date", "malformed", "lines").iter_rows()
    return [f"{date} ({few} of {all_} lines, {100 * few / all_:.2f} %)" for date, few, all_ in days]


def named(days: list[str]) -> str:
    """Some days, the latest of them by name."""
    more = len(days) - NAMED_DAYS
    return ", ".join(days[:NAMED_DAYS]) + (f" and {more} earlier ones" if more > 0 else "")


def check(accounts: pl.DataFrame, *, warn_share: float, fail_share: float) -> None:
    """Warn of days with many malformed lines, and stop at days with too many.

    Args:
        accounts: `date`, `lines`, `malformed`.
        warn_share: Above this share of malformed lines a day is named in a warning.
        fail_share: Above this one, a day with at least `FEW_LINES` malformed lines stops the run.

    Raises:
        UserError: There are such days.
    """
    look = "They stand in reduced/{year}/{month}/{day}.malformed of the results"
    too_many = days_above(accounts, fail_share, least=FEW_LINES)
    if too_many:
        raise UserError(
            f"More than {100 * fail_share:g} % of the lines are malformed on {named(too_many)}. "
            f"{look}. If a raw log is broken, fetch it again; if these lines may be left out, "
            "raise accounting.fail_malformed_share."
        )
    many = days_above(accounts, warn_share)
    if many:
        log.warning(
            "More than %g %% of the lines are malformed on %s. %s; they do not count.",
            100 * warn_share,
            named(many),
            look,
        )


def main(*, counts: list[Path], accounting: Path, warn_share: float, fail_share: float) -> None:
    """Write the accounts of all days.

    Args:
        counts: The accounts, JSON each.
        accounting: Where the table goes: `date`, `lines`, a column per class and, as a decimal
            fraction, `{class}_share`, in order of date.
        warn_share: Above this share of malformed lines a day is named in a warning.
        fail_share: Above this one it stops the run.

    Raises:
        UserError: An account is wrong, or a day has too many malformed lines.
    """
    schema = {"date": pl.String, "lines": pl.Int64, **dict.fromkeys(CLASSES, pl.Int64)}
    table = pl.DataFrame([read_account(path) for path in counts], schema).sort("date")
    check(table, warn_share=warn_share, fail_share=fail_share)
    write_summary(with_shares(table), accounting)
    lines = table["lines"].sum()
    log.info("%d days, %d lines", len(table), lines)
    for name in CLASSES:
        log.info("%s: %d, %.4f %%", name, table[name].sum(), 100 * table[name].sum() / (lines or 1))


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            counts=[Path(path) for path in snakemake.input.counts],
            accounting=Path(snakemake.output.accounting),
            warn_share=snakemake.params.warn_share,
            fail_share=snakemake.params.fail_share,
        )
