"""Gather the accounts of all days into one table."""

import logging
from pathlib import Path

import _threads  # noqa: F401
import polars as pl
from _log import UserError, logging_to
from _log_lines import ACCOUNTS, CLASSES
from _summaries import read_accounting, write_summary

log = logging.getLogger(__name__)

FEW_LINES = 10
"""Fewer malformed lines than these stop no run: the share of a day with few lines says little."""
NAMED_DAYS = 20


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


def main(*, accounts: list[Path], accounting: Path, warn_share: float, fail_share: float) -> None:
    """Write the accounts of all days.

    Args:
        accounts: Those of each year: `ACCOUNTS`.
        accounting: Where the table goes: `date`, `lines`, a column per class and, as a decimal
            fraction, `{class}_share`, in order of date.
        warn_share: Above this share of malformed lines a day is named in a warning.
        fail_share: Above this one it stops the run.

    Raises:
        UserError: A day has too many malformed lines.
    """
    table = pl.concat([pl.DataFrame(schema=ACCOUNTS), *map(read_accounting, accounts)]).sort("date")
    check(table, warn_share=warn_share, fail_share=fail_share)
    write_summary(with_shares(table), accounting)
    lines = table["lines"].sum()
    log.info("%d days, %d lines", len(table), lines)
    for name in CLASSES:
        log.info("%s: %d, %.4f %%", name, table[name].sum(), 100 * table[name].sum() / (lines or 1))


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            accounts=[Path(path) for path in snakemake.input.accounts],
            accounting=Path(snakemake.output.accounting),
            warn_share=snakemake.params.warn_share,
            fail_share=snakemake.params.fail_share,
        )
