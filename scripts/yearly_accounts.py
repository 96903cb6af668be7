"""Gather the accounts of a year's days into one table."""

import json
import logging
from pathlib import Path

import _threads  # noqa: F401
import polars as pl
from _log import UserError, logging_to
from _log_lines import ACCOUNTS, CLASSES
from _raw_logs import Day
from _summaries import write_summary

log = logging.getLogger(__name__)


def read_account(path: Path) -> dict[str, str | int]:
    """A day's account: a row of `ACCOUNTS`.

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


def main(*, counts: list[Path], accounts: Path) -> None:
    """Write the accounts of a year.

    Args:
        counts: The accounts of its days, JSON each.
        accounts: Where the table goes: `ACCOUNTS`, in order of date.

    Raises:
        UserError: An account is wrong.
    """
    table = pl.DataFrame([read_account(path) for path in counts], ACCOUNTS).sort("date")
    write_summary(table, accounts)
    log.info("%d days", len(table))


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            counts=[Path(path) for path in snakemake.input.counts],
            accounts=Path(snakemake.output.accounts),
        )
