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


def read_account(path: Path) -> dict[str, str | int]:
    """A day's account: `date`, `lines` and a number per class.

    Raises:
        UserError: The classes do not add up to the lines.
    """
    year, month, name = path.parts[-3:]
    counts = json.loads(path.read_text())
    if sum(counts[name] for name in CLASSES) != counts["lines"]:
        raise UserError(f"{path}: the classes do not add up to the lines. Delete it and run again.")
    return {"date": "-".join(Day(year, month, name.removesuffix(".json"))), **counts}


def main(*, counts: list[Path], accounting: Path) -> None:
    """Write the accounts of all days.

    Args:
        counts: The accounts, JSON each.
        accounting: Where the table goes: `date`, `lines` and a column per class, in order of date.
    """
    schema = {"date": pl.String, "lines": pl.Int64, **dict.fromkeys(CLASSES, pl.Int64)}
    table = pl.DataFrame([read_account(path) for path in counts], schema)
    write_summary(table.sort("date"), accounting)
    log.info("%d days, %d lines", len(table), table["lines"].sum())


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            counts=[Path(path) for path in snakemake.input.counts],
            accounting=Path(snakemake.output.accounting),
        )
