"""Bin a month of reduced requests by object key."""

import datetime as dt
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import _threads  # noqa: F401
import polars as pl
from _lists import looked_up
from _log import logging_to
from _numbers import Numbers, first_of, pair
from _runs import (
    AT_ONCE,
    PORTION,
    ROW_GROUP_SIZE,
    ROW_GROUP_SIZE_OF_LARGE_MONTH,
    Runs,
    folder_beside,
)
from _tables import BINNED, IPS, REDUCED, from_frames, inside, write_table

log = logging.getLogger(__name__)

LONGEST_ROW = 1_000_000
"""Requests that a row may hold: a busier object takes several, so that none outgrows memory."""
MILLISECONDS_OF_DAY = 86_400_000
LISTS = [name for name in BINNED if name != "object_key"]


@dataclass(frozen=True)
class Window:
    """The requests of some days from `begin` on, before `end`: all of them where these are None."""

    days: list[Path]
    begin: dt.datetime | None = None
    end: dt.datetime | None = None

    def requests(self) -> Iterator[pl.DataFrame]:
        """The requests of each day, `REDUCED`, in the order of the logs."""
        for day in self.days:
            rows = pl.scan_parquet(day, schema=REDUCED)
            # To Polars, to take all rows is a filter too.
            if self.begin is not None or self.end is not None:
                rows = rows.filter(inside(self.begin, self.end))
            yield rows.collect()


def windows(days: list[Path], at_once: int) -> list[Window]:
    """Cut a month by time into windows of about `at_once` requests at most.

    A late request stands in the log of a later day, but belongs to the window of its own time. So
    each window has every request of its time, and windows follow each other as requests do.

    Args:
        days: `REDUCED` each, in order.
        at_once: How many requests there may be in a window.
    """
    sizes = {day: pl.scan_parquet(day).select(pl.len()).collect().item() for day in days}
    if sum(sizes.values()) <= at_once:
        return [Window(days)]
    time = pl.col("timestamp")
    spans = {
        day: pl.scan_parquet(day)
        .select(first=time.min(), last=time.max(), midnight=time.median().dt.truncate("1d"))
        .collect()
        .row(0, named=True)
        for day, size in sizes.items()
        if size
    }
    cuts, together = set(), 0
    for day, span in spans.items():
        if together and together + sizes[day] > at_once:
            cuts.add(span["midnight"])
            together = 0
        together += sizes[day]
    found = [
        Window(
            [
                day
                for day, span in spans.items()
                if (begin is None or span["last"] >= begin) and (end is None or span["first"] < end)
            ],
            begin,
            end,
        )
        for begin, end in pairwise([None, *sorted(cuts), None])
    ]
    return [window for window in found if window.days]


def in_time_order(requests: Iterable[pl.DataFrame], addresses: Numbers) -> pl.DataFrame:
    """Requests by time, those of the same time in the order in which they came.

    Args:
        requests: `REDUCED`, in the order of the logs.
        addresses: Gives the addresses their numbers.

    Returns:
        `REDUCED` with the key as a category, and the number `ip` in place of the address.
    """
    keys = pl.Categorical(pl.Categories.random())
    of_dates: dict[int, list[pl.DataFrame]] = {}
    in_order = []
    for part in requests:
        numbered = part.select(
            pl.col("object_key").cast(keys),
            "timestamp",
            addresses.of(part["ip_address"]).alias("ip"),
            "bytes_sent",
            "status",
        )
        in_order = in_order or [numbered.clear()]
        for date, rows in by_date(numbered):
            of_dates.setdefault(date, []).append(rows)
    # Sorting date by date, by numbers of 32 bits, takes less time and memory than all at once.
    for date in sorted(of_dates):
        rows = pl.concat(of_dates.pop(date))
        time = (pl.col("timestamp").to_physical() - date * MILLISECONDS_OF_DAY).cast(pl.Int32)
        in_order.append(rows.sort(time, maintain_order=True))
    return pl.concat(in_order)


def by_date(requests: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """The requests of each date, in their order; a date is told by its number."""
    date = requests["timestamp"].to_physical() // MILLISECONDS_OF_DAY
    first, last = date.min(), date.max()
    if first == last and first is not None:
        yield first, requests
        return
    for number in date.unique():
        yield number, requests.filter(date == number)


def group_by_object(requests: pl.DataFrame) -> pl.DataFrame:
    """Bring the requests of each object together.

    Args:
        requests: As `in_time_order` returns them.

    Returns:
        `BINNED`, sorted by object key, the requests of an object in their order.
    """
    return (
        requests.group_by("object_key")
        .agg(LISTS)
        .with_columns(pl.col("object_key").cast(pl.String))
        .sort("object_key")
    )


def cut_long_rows(binned: pl.DataFrame, longest: int) -> pl.DataFrame:
    """Cut the rows of `BINNED` that hold more than `longest` requests into several."""
    lengths = binned["timestamp"].list.len()
    pieces, done = [], 0
    for row in (lengths > longest).arg_true():
        pieces.append(binned[done:row])
        pieces += [
            binned[row].with_columns(pl.col(LISTS).list.slice(begin, longest))
            for begin in range(0, lengths[row], longest)
        ]
        done = row + 1
    return pl.concat([*pieces, binned[done:]])


def join_rows(binned: pl.DataFrame, longest: int) -> pl.DataFrame:
    """Make one row of the rows of each object, or several of `longest` requests and a rest.

    Args:
        binned: `BINNED`, sorted by object key, the rows of an object in the order of time.
        longest: How many requests a row may hold.
    """
    size = pl.col("timestamp").list.len().cast(pl.Int64)
    rows = binned.with_columns(number=pl.col("object_key").rle_id(), before=size.cum_sum() - size)
    keys = rows["object_key"].unique(maintain_order=True)
    piece = (pl.int_range(pl.len()) - pl.col("before")) // longest
    return (
        rows.select("number", pl.col("before").first().over("number"), *LISTS)
        .explode(LISTS)
        .with_columns(row=pair(pl.col("number"), piece).set_sorted())
        .group_by("row", maintain_order=True)
        .agg(LISTS)
        .select(pl.lit(keys).gather(first_of(pl.col("row"))).alias("object_key"), *LISTS)
    )


def joined(portions: Iterable[pl.DataFrame], longest: int) -> Iterator[pl.DataFrame]:
    """Join the rows of each object over several portions.

    Args:
        portions: `BINNED` each, sorted by object key; the rows of an object are in the order of
            time, and may go on in the next portion.
        longest: How many requests a row may hold.

    Yields:
        `BINNED`, sorted by object key.
    """
    held = pl.DataFrame(schema=BINNED)
    for portion in portions:
        if len(held) and len(portion) and held["object_key"][0] != portion["object_key"][0]:
            yield held
            held = held.clear()
        rows = join_rows(pl.concat([held, portion]), longest)
        held = rows.tail(1)
        yield rows.head(-1)
    yield held


def sort_addresses(addresses: Numbers, ips: Path) -> pl.Series:
    """Write the month's addresses, sorted as text: `IPS`.

    Returns:
        The row of an address by the number that it had so far.
    """
    table = addresses.texts().to_frame("ip_address").with_row_index("number")
    table = table.sort("ip_address").with_row_index("ip")
    write_table(table, ips, IPS)
    return table.sort("number")["ip"]


def main(
    *,
    reduced: list[Path],
    binned: Path,
    ips: Path,
    at_once: int = AT_ONCE,
    portion: int = PORTION,
    longest_row: int = LONGEST_ROW,
) -> None:
    """Bin a month.

    Args:
        reduced: The month's days, `REDUCED` each, in order.
        binned: Where the bins go: `BINNED`, sorted by object key; the requests of an object are in
            the order of their times, those of the same time in the order of the logs. Private.
        ips: Where the month's addresses go: `IPS`. Private.
        at_once: How many requests may be in memory at once. If there are more, they are brought
            together window by window, and put beside `binned` until all are there.
        portion: How many of these are then merged at once.
        longest_row: How many requests a row may hold.
    """
    addresses = Numbers()
    parts = windows(reduced, at_once)
    with folder_beside(binned) as folder:
        runs = Runs(folder, by="object_key", portion=portion)
        for part in parts:
            rows = group_by_object(in_time_order(part.requests(), addresses))
            runs.add(cut_long_rows(rows, longest_row))
            del rows
        rank = sort_addresses(addresses, ips)
        frames = joined(runs.merged(), longest_row) if runs.several else runs.merged()
        write_table(
            from_frames(
                (rows.with_columns(looked_up(rows["ip"], rank)) for rows in frames), BINNED
            ),
            binned,
            BINNED,
            row_group_size=ROW_GROUP_SIZE_OF_LARGE_MONTH if runs.several else ROW_GROUP_SIZE,
        )
    log.info("%s: binned %d days in %d runs", binned, len(reduced), len(parts))


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            reduced=[Path(path) for path in snakemake.input.reduced],
            binned=Path(snakemake.output.binned),
            ips=Path(snakemake.output.ips),
        )
