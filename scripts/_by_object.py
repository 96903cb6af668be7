"""A month's requests brought together by object, by loops that Numba compiles.

Polars would group them as well, but each of its steps goes through memory for every column, and
takes no use of there being few objects and few moments. Requests come in runs, a day each or a part
of one. A run is sorted by time and by object in a pass each; then the runs of a month are joined,
some objects at a time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from _compiling import compiled, inlined, loading, values_of
from _tables import BINNED, REDUCED
from _text_numbers import TextNumbers
from nanoarrow import c_array_from_buffers, int64, large_list, timestamp, uint16, uint32

_REQUEST = np.dtype(
    [
        ("timestamp", np.int64),
        ("bytes_sent", np.int64),
        ("ip", np.uint32),
        ("status", np.uint16),
    ]
)


class Requests:
    """The requests of a month, to be read by object."""

    def __init__(self, folder: Path | None) -> None:
        """Begin with none.

        Args:
            folder: Where requests are put until all are there; they stay in memory if it is None.
        """
        self._addresses = TextNumbers()
        self._keys = TextNumbers()
        self._ranked = pl.DataFrame(schema={"number": pl.UInt32, "key": pl.String})
        self._folder = folder
        self._runs: list[np.ndarray | Path] = []
        self._used = np.empty(0, _REQUEST)
        self._slices: list[pl.DataFrame] = []

    def add(self, requests: pl.DataFrame) -> None:
        """Add some, `REDUCED`, that stand in the logs behind those which were added before."""
        if requests.is_empty():
            return
        objects = self._keys.of(requests["object_key"])
        ips = self._addresses.of(requests["ip_address"])
        by_rank = self._by_rank()
        rank = np.empty(len(by_rank), np.uint32)
        rank[by_rank] = np.arange(len(by_rank), dtype=np.uint32)
        times = values_of(requests["timestamp"].to_physical())
        run = self._room(len(requests)) if self._folder else np.empty(len(requests), _REQUEST)
        ends = np.zeros(len(rank), np.int64)
        _sort(
            _in_time_order(times),
            rank,
            objects,
            times,
            values_of(requests["bytes_sent"]),
            ips,
            values_of(requests["status"]),
            run,
            ends,
        )
        sizes = np.diff(ends, prepend=0)
        asked = np.flatnonzero(sizes)
        places = (ends - sizes)[asked]
        self._slices.append(
            pl.DataFrame(
                {
                    "object": by_rank[asked],
                    "run": np.full(len(asked), len(self._runs), np.uint32),
                    "place": places,
                    "size": sizes[asked],
                    "first": run["timestamp"][places],
                }
            )
        )
        self._runs.append(self._put_away(run))

    def _by_rank(self) -> np.ndarray:
        """The numbers of all keys so far, in the order of the keys."""
        new = self._keys.texts()[len(self._ranked) :].alias("key").to_frame()
        new = new.with_row_index("number", offset=len(self._ranked)).sort("key")
        self._ranked = self._ranked.merge_sorted(new, key="key")
        return self._ranked["number"].to_numpy()

    def _room(self, size: int) -> np.ndarray:
        """Room for some, used again and again: the kernel clears each page of fresh memory."""
        if len(self._used) < size:
            self._used = np.empty(size, _REQUEST)
        return self._used[:size]

    def _put_away(self, run: np.ndarray) -> np.ndarray | Path:
        if self._folder is None:
            return run
        path = self._folder / f"{len(self._runs):04}"
        path.write_bytes(run.data)
        return path

    def addresses(self) -> pl.Series:
        """The addresses, each once."""
        return self._addresses.texts()

    def by_object(
        self, address: pl.Series, portion: int, longest_row: int
    ) -> Iterator[pl.DataFrame]:
        """All requests, sorted by object key, those of an object by time, then as they came.

        Args:
            address: What stands for each of `addresses()` in the end.
            portion: About how many requests are in memory at once.
            longest_row: How many requests a row may hold: the others of an object follow in more.

        Yields:
            `BINNED`.
        """
        rank = self._ranked.with_row_index("rank").sort("number")["rank"]
        slices = (
            pl.concat(self._slices)
            .with_columns(pl.lit(rank).gather(pl.col("object")).alias("object"))
            .sort("object", "run")
            .with_columns(portion=pl.col("size").cum_sum() // portion)
        )
        self._slices.clear()
        held = _Columns.empty(0)
        for part in slices.partition_by("portion", maintain_order=True, include_key=False):
            slices = slices[len(part) :]
            last = part["object"][-1]
            rest = slices.filter(pl.col("object") == last)["first"]
            columns, ends = self._joined(part, held, values_of(address))
            # What is held may still be followed by earlier requests of later runs.
            if len(rest):
                begin = ends[-2] if len(ends) > 1 else 0
                times = columns.timestamp[begin : ends[-1]]
                final = np.searchsorted(times, rest.min(), side="right")
                ends[-1] = begin + final // longest_row * longest_row
                held = columns.part(ends[-1], None)
                columns = columns.part(0, ends[-1])
            else:
                held = _Columns.empty(0)
            objects = part["object"].unique(maintain_order=True)
            yield columns.rows(self._ranked["key"].gather(objects), ends, longest_row)

    def _joined(
        self, part: pl.DataFrame, held: _Columns, address: np.ndarray
    ) -> tuple[_Columns, np.ndarray]:
        """The requests of some slices, and where those of each object end.

        Args:
            part: The slices, by object, then in the order of the runs.
            held: Requests of the first object that go before.
            address: What stands for an address in the end, by its number.
        """
        spans = part.group_by("run").agg(pl.col("place").min(), pl.col("size").sum()).sort("run")
        requests = self._room(part["size"].sum())
        moved = np.zeros(len(self._runs), np.int64)
        at = 0
        for run, place, size in spans.iter_rows():
            _read(self._runs[run], place, requests[at : at + size])
            moved[run] = at - place
            at += size
        columns = _Columns.empty(len(held.ip) + len(requests))
        columns.part(0, len(held.ip)).put(held)
        objects = values_of(part["object"].rle_id())
        ends = np.zeros(objects[-1] + 1, np.int64)
        ends[0] = len(held.ip)
        _join(
            requests,
            part["place"].to_numpy() + moved[part["run"].to_numpy()],
            values_of(part["size"]),
            objects,
            address,
            columns,
            ends,
        )
        return columns, ends


def _read(run: np.ndarray | Path, place: int, requests: np.ndarray) -> None:
    """Read as many requests of a run as there is room for."""
    if isinstance(run, Path):
        with run.open("rb") as file:
            file.seek(place * _REQUEST.itemsize)
            if file.readinto(requests.data) < requests.nbytes:
                raise EOFError(f"{run} is shorter than what was written. Run again.")
    else:
        requests[:] = run[place : place + len(requests)]


class _Columns(NamedTuple):
    """The fields of requests, each by itself."""

    timestamp: np.ndarray
    ip: np.ndarray
    bytes_sent: np.ndarray
    status: np.ndarray

    @classmethod
    def empty(cls, size: int) -> _Columns:
        """Room for some."""
        return cls(*(np.empty(size, _REQUEST[name]) for name in cls._fields))

    def part(self, begin: int, end: int | None) -> _Columns:
        """Those from one to another, in the same memory."""
        return _Columns(*(column[begin:end] for column in self))

    def put(self, others: _Columns) -> None:
        """Put others in place of these."""
        for column, other in zip(self, others, strict=True):
            column[:] = other

    def rows(self, keys: pl.Series, ends: np.ndarray, longest: int) -> pl.DataFrame:
        """`BINNED`, without a copy.

        Args:
            keys: Of the objects.
            ends: Where the requests of each object end.
            longest: How many requests a row may hold.
        """
        end = pl.col("end").cast(pl.Int64)
        begin = end.shift(fill_value=0)
        rows = (
            pl.DataFrame({"object_key": keys, "end": ends})
            .select(
                "object_key",
                end=pl.concat_list(pl.int_ranges(begin + longest, end, longest), end),
                is_empty=begin == end,
            )
            .filter(~pl.col("is_empty"))
            .explode("end")
        )
        ends = np.concatenate([[0], rows["end"].to_numpy()])
        types = (timestamp("ms", "UTC"), uint32(), int64(), uint16())
        lists = {
            name: _lists(dtype, values, ends)
            for name, dtype, values in zip(self._fields, types, self, strict=True)
        }
        return pl.DataFrame({"object_key": rows["object_key"], **lists}, BINNED)


def _lists(dtype: object, values: np.ndarray, ends: np.ndarray) -> pl.Series:
    content = c_array_from_buffers(dtype, len(values), [None, values], null_count=0)
    return pl.Series(
        c_array_from_buffers(
            large_list(dtype), len(ends) - 1, [None, ends], null_count=0, children=[content]
        )
    )


def _in_time_order(times: np.ndarray) -> np.ndarray:
    """The places of times in their order, those of the same time as they stand."""
    order, spare = np.empty((2, len(times)), np.uint32)
    return order if _sort_times(times, order, spare, np.empty(_BUCKETS, np.int64)) else spare


# --- What is compiled ----------------------------------------------------------------------------

_BITS = 17
"""Of a time, that are looked at in one pass: that is a day in seconds."""
_SECOND = 1000
_BUCKETS = 1 << _BITS


@inlined
def _to_begins(sizes: np.ndarray) -> None:
    """Put where each of several parts begins, one behind the other, in place of its size."""
    begin = 0
    for number in range(len(sizes)):
        size = sizes[number]
        sizes[number] = begin
        begin += size


@compiled
def _sort_times(
    times: np.ndarray, order: np.ndarray, spare: np.ndarray, buckets: np.ndarray
) -> bool:
    """Sort the places of times, those of the same time as they stand.

    Args:
        times: One at least.
        order: May become the places.
        spare: May become the places.
        buckets: Room for `_BUCKETS` numbers.

    Returns:
        Whether the places are in `order`; else they are in `spare`.
    """
    first, last = times[0], times[0]
    is_sorted, unit = True, _SECOND
    for row in range(len(times)):
        order[row] = row
        is_sorted &= last <= times[row]
        first, last = min(first, times[row]), max(last, times[row])
        if times[row] % _SECOND != 0:
            unit = 1
    first //= unit
    in_order, shift = True, 0
    while not is_sorted and (last // unit - first) >> shift > 0:
        source, target = (order, spare) if in_order else (spare, order)
        buckets[:] = 0
        for row in range(len(times)):
            buckets[((times[row] // unit - first) >> shift) & (_BUCKETS - 1)] += 1
        _to_begins(buckets)
        for place in range(len(times)):
            row = source[place]
            bucket = ((times[row] // unit - first) >> shift) & (_BUCKETS - 1)
            target[buckets[bucket]] = row
            buckets[bucket] += 1
        in_order = not in_order
        shift += _BITS
    return in_order


@compiled
def _sort(
    order: np.ndarray,
    rank: np.ndarray,
    objects: np.ndarray,
    times: np.ndarray,
    sizes: np.ndarray,
    ips: np.ndarray,
    statuses: np.ndarray,
    run: np.ndarray,
    ends: np.ndarray,
) -> None:
    """Sort requests by the rank of their object, those of an object in a given order.

    Args:
        order: The places of the requests.
        rank: By the number of an object.
        objects: The object of each request.
        times: Of each request.
        sizes: The bytes sent of each.
        ips: The address of each.
        statuses: Of each.
        run: Becomes the requests.
        ends: Zeros; become the ends of the objects in `run`.
    """
    for row in range(len(objects)):
        objects[row] = rank[objects[row]]
        ends[objects[row]] += 1
    _to_begins(ends)
    for row in order:
        request = run[ends[objects[row]]]
        ends[objects[row]] += 1
        request.timestamp = times[row]
        request.bytes_sent = sizes[row]
        request.ip = ips[row]
        request.status = statuses[row]


@inlined
def _put(request: np.ndarray, address: np.ndarray, columns: _Columns, at: int) -> None:
    columns.timestamp[at] = request.timestamp
    columns.ip[at] = address[request.ip]
    columns.bytes_sent[at] = request.bytes_sent
    columns.status[at] = request.status


@inlined
def _move(columns: _Columns, source: int, target: int) -> None:
    columns.timestamp[target] = columns.timestamp[source]
    columns.ip[target] = columns.ip[source]
    columns.bytes_sent[target] = columns.bytes_sent[source]
    columns.status[target] = columns.status[source]


@compiled
def _join(
    requests: np.ndarray,
    places: np.ndarray,
    sizes: np.ndarray,
    objects: np.ndarray,
    address: np.ndarray,
    columns: _Columns,
    ends: np.ndarray,
) -> None:
    """Join slices that are each in the order of time, so that those of an object are.

    Args:
        requests: What there is to slice.
        places: Where each slice begins there.
        sizes: Of each slice.
        objects: The number of its object, from 0 on, in their order; of those of an object the
            earlier ones go first where times are the same.
        address: What stands for an address in the end.
        columns: Become the requests.
        ends: Of the first object, how many of its requests stand in `columns` already; else zeros.
            Become the ends of the objects.
    """
    begin, end, number = 0, ends[0], 0
    for i in range(len(places)):
        if objects[i] != number:
            number = objects[i]
            begin = end
        # From behind, so that what is there has to move only where requests come late.
        held, new = end - 1, places[i] + sizes[i] - 1
        end += sizes[i]
        at = end - 1
        while new >= places[i]:
            if held >= begin and columns.timestamp[held] > requests[new].timestamp:
                _move(columns, held, at)
                held -= 1
            else:
                _put(requests[new], address, columns, at)
                new -= 1
            at -= 1
        ends[number] = end


# The first calls compile, or load what is kept.
with loading():
    _some = Requests(None)
    _some.add(pl.DataFrame([(dt.datetime.now(dt.UTC), "", "", 0, 0)], REDUCED, orient="row"))
    list(_some.by_object(pl.Series([0], dtype=pl.UInt32), portion=1, longest_row=1))
