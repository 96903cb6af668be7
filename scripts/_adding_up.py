"""A month's requests, added up by a loop that Numba compiles: it looks at each of them once.

Polars goes through all of them for each figure, and finds by hashing what stands together already:
in the bins, the requests of an object, and of its days. Regions, Dandisets and addresses are
numbers, so that a table with a place for each will do. Numba takes a while to load, which small
months are not worth.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from _compiling import compiled, inlined, loading, values_of
from _digests import FACTORS
from _usage import COUNTED, DOWNLOAD, FIRST_REGION, LABEL_OF_1970

_COUNTS = [(name, np.int64) for name in COUNTED]
_OF_DAY = np.dtype([("date", np.int64), *_COUNTS])
_OF_REGION = np.dtype(_COUNTS)
_OF_OBJECT = np.dtype(
    [
        ("object", np.uint32),
        *_COUNTS,
        ("first_date", np.int32),
        ("last_date", np.int32),
        ("digest", np.uint64),
    ]
)


class Loop:
    """The `assign.Sums`, by the loop: the same as `assign.Expressions` gives."""

    def __init__(
        self, owning: pl.Series, dandisets: int, region_of_ip: pl.Series, hashes: pl.Series
    ) -> None:
        """Begin with nothing.

        Args:
            owning: The number of the Dandiset that owns an object, by the number of the object.
            dandisets: How many there are.
            region_of_ip: The number of the region by the number of the address.
            hashes: Of the region labels, by number.
        """
        self._tables = _Tables(
            values_of(owning),
            values_of(region_of_ip),
            values_of(hashes),
            np.array(list(FACTORS.values()), np.uint64),
            np.zeros((dandisets, bytes_of_users(1, len(region_of_ip))), np.uint8),
        )
        self._open = _Open.empty(len(hashes))
        self._usage: list[pl.DataFrame] = []
        self._objects: list[pl.DataFrame] = []

    def add(self, rows: pl.DataFrame) -> None:
        """Add a slice."""
        sizes = rows["status"].list.len().cast(pl.Int64)
        lists = ("timestamp", "ip", "bytes_sent", "status")
        columns = [values_of(rows[name].explode().to_physical()) for name in lists]
        sums = self._room(len(rows), sizes.sum())
        of_rows = _Rows(values_of(rows["object"]), values_of(sizes), *columns)
        self._keep(sums, *_add(of_rows, self._tables, self._open, sums))

    def usage(self) -> pl.DataFrame:
        """Usage by object and label."""
        self._end()
        return pl.concat(self._usage)

    def objects(self) -> pl.DataFrame:
        """Usage by object."""
        self._end()
        dates = pl.col("first_date", "last_date").cast(pl.Date)
        return pl.concat(self._objects).with_columns(dates)

    def requesters(self) -> pl.DataFrame:
        """Who used what."""
        bits = (np.unpackbits(users, bitorder="little") for users in self._tables.users)
        ips = [np.flatnonzero(used).astype(np.uint32) for used in bits]
        owning = np.arange(len(ips), dtype=np.uint32).repeat([len(found) for found in ips])
        return pl.DataFrame({"owning": owning, "ip": np.concatenate(ips)})

    def _end(self) -> None:
        sums = self._room(0, 0)
        self._keep(sums, *_close(self._open, sums, 0, 0))

    def _room(self, rows: int, requests: int) -> _Sums:
        """For what these, and the object that is open, become at most."""
        # Each request may be of a day and a region of its own.
        labels = 2 * requests + 1 + len(self._open.regions)
        label = [np.empty(labels, np.uint32) for _ in range(2)]
        counts = [np.empty(labels, np.int64) for _ in COUNTED]
        return _Sums(*label, *counts, np.empty(rows + 1, _OF_OBJECT))

    def _keep(self, sums: _Sums, labels: int, objects: int) -> None:
        columns = zip(["object", "label", *COUNTED], sums, strict=False)
        # Polars would hold the whole of each array, most of which is not used.
        self._usage.append(pl.DataFrame({name: column[:labels].copy() for name, column in columns}))
        self._objects.append(pl.DataFrame(sums.objects[:objects]))


def bytes_of_users(dandisets: int, ips: int) -> int:
    """What it takes to note who used what Dandiset: a bit for each address and Dandiset."""
    return dandisets * -(-ips // 8)


class _Rows(NamedTuple):
    """Rows of the bins: number of the object and of requests of each, and all their requests."""

    objects: np.ndarray
    sizes: np.ndarray
    timestamp: np.ndarray
    ip: np.ndarray
    bytes_sent: np.ndarray
    status: np.ndarray


class _Tables(NamedTuple):
    """What is looked up, by number, and `users`, a bit for each address in a row a Dandiset."""

    owning: np.ndarray
    region_of_ip: np.ndarray
    hashes: np.ndarray
    factors: np.ndarray
    users: np.ndarray


class _Sums(NamedTuple):
    """Usage by object and label, column by column, and usage by object."""

    object: np.ndarray
    label: np.ndarray
    bytes_sent: np.ndarray
    number_of_requests: np.ndarray
    number_of_downloads: np.ndarray
    objects: np.ndarray


class _Open(NamedTuple):
    """An object, of which more may follow: its last day, its regions, and a bit for each of them.

    There is none where the day has no requests.
    """

    of_object: np.ndarray
    day: np.ndarray
    regions: np.ndarray
    seen: np.ndarray

    @classmethod
    def empty(cls, regions: int) -> _Open:
        """None yet."""
        return cls(
            np.zeros(1, _OF_OBJECT),
            np.zeros(1, _OF_DAY),
            np.zeros(regions, _OF_REGION),
            np.zeros(regions // _BITS + 1, np.uint64),
        )


# --- What is compiled ----------------------------------------------------------------------------

_BITS = 64
_DAY = 86_400_000


@inlined
def _put(sums: _Sums, labels: int, number: int, label: int, counts: np.ndarray) -> int:
    """Put a row of usage behind others, and count from 0 again. How many there are then."""
    sums.object[labels] = number
    sums.label[labels] = label
    sums.bytes_sent[labels] = counts.bytes_sent
    sums.number_of_requests[labels] = counts.number_of_requests
    sums.number_of_downloads[labels] = counts.number_of_downloads
    counts.bytes_sent = counts.number_of_requests = counts.number_of_downloads = 0
    return labels + 1


@inlined
def _close_day(open_: _Open, sums: _Sums, labels: int) -> int:
    day, of_object = open_.day[0], open_.of_object[0]
    if day.number_of_requests == 0:
        return labels
    if of_object.number_of_requests == 0:
        of_object.first_date = day.date
    of_object.last_date = day.date
    of_object.bytes_sent += day.bytes_sent
    of_object.number_of_requests += day.number_of_requests
    of_object.number_of_downloads += day.number_of_downloads
    return _put(sums, labels, of_object.object, day.date + LABEL_OF_1970, day)


@compiled
def _close(open_: _Open, sums: _Sums, labels: int, objects: int) -> tuple[int, int]:
    """Put what the object that is open comes to behind others. How many rows there are then."""
    labels = _close_day(open_, sums, labels)
    of_object = open_.of_object[0]
    if of_object.number_of_requests == 0:
        return labels, objects
    for word in range(len(open_.seen)):
        bits, region = open_.seen[word], word * _BITS
        while bits != np.uint64(0):
            if bits & np.uint64(1):
                label = region + FIRST_REGION
                labels = _put(sums, labels, of_object.object, label, open_.regions[region])
            bits >>= np.uint64(1)
            region += 1
        open_.seen[word] = 0
    sums.objects[objects] = of_object
    of_object.bytes_sent = of_object.number_of_requests = of_object.number_of_downloads = 0
    of_object.digest = 0
    return labels, objects + 1


@inlined
def _mixed(rows: _Rows, tables: _Tables, request: int, place: int, region: int) -> int:
    """What `_digests.mixed` says."""
    when, where, sent, status = tables.factors
    return (np.uint64(rows.timestamp[request]) * when + np.uint64(place) * where) * (
        np.uint64(rows.bytes_sent[request]) * sent
        + np.uint64(rows.status[request]) * status
        + tables.hashes[region]
    )


@compiled
def _add(rows: _Rows, tables: _Tables, open_: _Open, sums: _Sums) -> tuple[int, int]:
    """Add requests up.

    Args:
        rows: `_Rows`.
        tables: `_Tables`.
        open_: `_Open`.
        sums: Become those of objects, and of their days, that are closed.

    Returns:
        How many rows of both kinds there are.
    """
    labels = objects = request = 0
    day, of_object = open_.day[0], open_.of_object[0]
    for row in range(len(rows.sizes)):
        if rows.objects[row] != of_object.object:
            labels, objects = _close(open_, sums, labels, objects)
            of_object.object = rows.objects[row]
        users = tables.users[tables.owning[of_object.object]]
        begin = day.date * _DAY
        for place in range(rows.sizes[row]):
            time, ip, size = rows.timestamp[request], rows.ip[request], rows.bytes_sent[request]
            if not begin <= time < begin + _DAY:
                labels = _close_day(open_, sums, labels)
                day.date = time // _DAY
                begin = day.date * _DAY
            region = tables.region_of_ip[ip]
            is_download = np.int64(rows.status[request] == DOWNLOAD)
            day.bytes_sent += size
            day.number_of_requests += 1
            day.number_of_downloads += is_download
            of_object.digest += _mixed(rows, tables, request, place, region)
            counts = open_.regions[region]
            counts.bytes_sent += size
            counts.number_of_requests += 1
            counts.number_of_downloads += is_download
            open_.seen[region // _BITS] |= np.uint64(1) << np.uint64(region % _BITS)
            users[ip >> 3] |= np.uint8(1) << np.uint8(ip & 7)
            request += 1
    return labels, objects


def _load() -> None:
    nothing = pl.Series(dtype=pl.UInt32)
    loop = Loop(nothing, 0, nothing, pl.Series(dtype=pl.UInt64))
    lists = {"timestamp": pl.Int64, "ip": pl.UInt32, "bytes_sent": pl.Int64, "status": pl.UInt16}
    loop.add(
        pl.DataFrame(
            schema={"object": pl.UInt32, **{name: pl.List(of) for name, of in lists.items()}}
        )
    )
    loop.usage()


with loading():
    _load()
