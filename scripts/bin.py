"""Bin a month of reduced requests by object key."""

import logging
from collections.abc import Iterable
from pathlib import Path

import _threads  # noqa: F401
import polars as pl
from _log import logging_to
from _memory import keep_freed_memory
from _runs import AT_ONCE, ROW_GROUP_SIZE, ROW_GROUP_SIZE_OF_LARGE_MONTH, folder_beside
from _tables import BINNED, IPS, REDUCED, from_frames, write_table

log = logging.getLogger(__name__)

LONGEST_ROW = 1_000_000
"""Requests that a row may hold: a busier object takes several, so that none outgrows memory."""
WORTH_COMPILING = 1_000_000
"""Requests of a month from which on compiled loops are worth their loading."""
RUN = 4_000_000
"""Requests that are sorted at once."""
PORTION = 1_000_000
"""Requests that are joined at once."""
LISTS = [name for name in BINNED if name != "object_key"]


def group_by_object(requests: pl.DataFrame, longest_row: int) -> pl.DataFrame:
    """Bring the requests of each object together.

    Args:
        requests: `REDUCED` with the number `ip` in place of the address, in the order of the logs.
        longest_row: How many requests a row may hold.

    Returns:
        `BINNED`, sorted by object key, the requests of an object by time, then as they came.
    """
    row = pl.int_range(pl.len()).over("object_key") // longest_row
    return (
        requests.sort("object_key", "timestamp", maintain_order=True)
        .group_by("object_key", row.alias("row"), maintain_order=True)
        .agg(LISTS)
        .select(BINNED.names())
    )


def bin_small(reduced: list[Path], ips: Path, longest_row: int) -> Iterable[pl.DataFrame]:
    """Bin a month in memory, with Polars alone.

    Args:
        reduced: The days, `REDUCED`, in order.
        ips: Where the addresses go: `IPS`.
        longest_row: How many requests a row may hold.

    Returns:
        `BINNED`.
    """
    requests = pl.read_parquet(reduced, schema=REDUCED)
    addresses = requests.select("ip_address").unique().sort("ip_address")
    write_table(addresses, ips, IPS)
    number = pl.col("ip_address").cast(pl.Enum(addresses["ip_address"])).to_physical()
    return [group_by_object(requests.with_columns(ip=number.cast(pl.UInt32)), longest_row)]


def bin_large(
    reduced: list[Path],
    ips: Path,
    longest_row: int,
    *,
    folder: Path | None,
    run: int,
    portion: int,
) -> Iterable[pl.DataFrame]:
    """Bin a month run by run, with compiled loops.

    Args:
        reduced: The days, `REDUCED`, in order.
        ips: Where the addresses go: `IPS`.
        longest_row: How many requests a row may hold.
        folder: Where runs are put until all are there; they stay in memory if it is None.
        run: How many requests are sorted at once.
        portion: How many requests are joined at once.

    Returns:
        `BINNED`, some rows at a time.
    """
    # To load what compiles takes longer than to bin a small month.
    from _by_object import Requests

    keep_freed_memory()
    requests = Requests(folder)
    for day in reduced:
        rows = pl.scan_parquet(day, schema=REDUCED)
        for begin in range(0, size_of([day]), run):
            requests.add(rows.slice(begin, run).collect())
    table = requests.addresses().to_frame("ip_address").with_row_index("number")
    table = table.sort("ip_address").with_row_index("ip")
    write_table(table, ips, IPS)
    return requests.by_object(table.sort("number")["ip"], portion, longest_row)


def size_of(reduced: list[Path]) -> int:
    """How many requests days have: `REDUCED`."""
    return pl.scan_parquet(reduced).select(pl.len()).collect().item()


def main(
    *,
    reduced: list[Path],
    binned: Path,
    ips: Path,
    longest_row: int = LONGEST_ROW,
    worth_compiling: int = WORTH_COMPILING,
    at_once: int = AT_ONCE,
    run: int = RUN,
    portion: int = PORTION,
) -> None:
    """Bin a month.

    Args:
        reduced: The month's days, `REDUCED` each, in order.
        binned: Where the bins go: `BINNED`, sorted by object key; the requests of an object are in
            the order of their times, those of the same time in the order of the logs. Private.
        ips: Where the month's addresses go: `IPS`. Private.
        longest_row: How many requests a row may hold.
        worth_compiling: From how many requests on compiled loops do it.
        at_once: How many requests these have in memory at once; if there are more, they are put
            beside `binned` until all are there.
        run: How many requests these sort at once.
        portion: How many requests these join at once.
    """
    size = size_of(reduced)
    with folder_beside(binned) as folder:
        if size < worth_compiling:
            frames = bin_small(reduced, ips, longest_row)
        else:
            aside = folder if size > at_once else None
            frames = bin_large(reduced, ips, longest_row, folder=aside, run=run, portion=portion)
        write_table(
            from_frames(frames, BINNED),
            binned,
            BINNED,
            row_group_size=ROW_GROUP_SIZE_OF_LARGE_MONTH if size > at_once else ROW_GROUP_SIZE,
        )
    log.info("%s: binned %d requests of %d days", binned, size, len(reduced))


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            reduced=[Path(path) for path in snakemake.input.reduced],
            binned=Path(snakemake.output.binned),
            ips=Path(snakemake.output.ips),
        )
