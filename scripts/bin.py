"""Bin a month of reduced requests by object key."""

import logging
from pathlib import Path

import _threads  # noqa: F401
import polars as pl
from _log import logging_to
from _tables import BINNED, IPS, REDUCED, write_table

log = logging.getLogger(__name__)

LONGEST_ROW = 1_000_000
"""Requests that a row may hold: a busier object takes several, so that none outgrows memory."""


def number_addresses(requests: pl.LazyFrame) -> pl.LazyFrame:
    """The month's addresses, sorted as text: `IPS`. An address's number is its row."""
    return requests.select("ip_address").unique().sort("ip_address")


def group_by_object(requests: pl.LazyFrame, ips: pl.LazyFrame) -> pl.LazyFrame:
    """Bring the requests of each object together.

    Args:
        requests: `REDUCED`, in the order of the logs.
        ips: The month's addresses in the order of their numbers.

    Returns:
        `BINNED`, sorted by object key; the requests of an object are in the order of their times,
        those of the same time in the order of the logs.
    """
    numbers = ips.with_row_index("ip")
    return (
        requests.join(numbers, on="ip_address", how="left", maintain_order="left")
        .sort("timestamp", maintain_order=True)
        .group_by("object_key", maintain_order=True)
        .agg("timestamp", "ip", "bytes_sent", "status")
        .sort("object_key")
    )


def split_long_rows(binned: pl.LazyFrame, longest: int = LONGEST_ROW) -> pl.LazyFrame:
    """Cut the rows of `BINNED` that hold more than `longest` requests into several."""
    lists = [name for name in BINNED if name != "object_key"]
    return (
        binned.with_columns(start=pl.int_ranges(0, pl.col("timestamp").list.len(), longest))
        .explode("start")
        .with_columns(pl.col(name).list.slice("start", longest) for name in lists)
        .drop("start")
    )


def main(*, reduced: list[Path], binned: Path, ips: Path) -> None:
    """Bin a month.

    Args:
        reduced: The month's days, `REDUCED` each, in order.
        binned: Where the bins go: `BINNED`. Private.
        ips: Where the month's addresses go: `IPS`. Private.
    """
    requests = pl.scan_parquet(reduced, schema=REDUCED)
    write_table(number_addresses(requests), ips, IPS)
    rows = group_by_object(requests, pl.scan_parquet(ips))
    write_table(split_long_rows(rows), binned, BINNED, row_group_size=4096)
    log.info("%s: binned %d days", binned, len(reduced))


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            reduced=[Path(path) for path in snakemake.input.reduced],
            binned=Path(snakemake.output.binned),
            ips=Path(snakemake.output.ips),
        )
