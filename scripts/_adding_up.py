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
from _usage import COUNTED, DOWNLOAD, FIRST_DATE

_COUNTS = [(name, np.int64) for name in COUNTED]
_OF_REGION = np.dtype(_COUNTS)
_REGIONAL = np.dtype([("object", np.uint32), ("other", np.uint32), *_COUNTS])
_DAILY = np.dtype([*_REGIONAL.descr, ("digest", np.uint64)])


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
        self._daily: list[pl.DataFrame] = []
        self._regional: list[pl.DataFrame] = []

    def add(self, rows: pl.DataFrame) -> None:
        """Add a slice."""
        sizes = rows["status"].list.len().cast(pl.Int64)
        lists = ("timestamp", "ip", "bytes_sent", "status")
        columns = [values_of(rows[name].explode().to_physical()) for name in lists]
        daily, regional = self._room(sizes.sum())
        days, regions = _add(
            _Rows(values_of(rows["object"]), values_of(sizes), *columns),
            self._tables,
            self._open,
            daily,
            regional,
        )
        self._keep(daily[:days], regional[:regions])

    def daily(self) -> pl.DataFrame:
        """Usage by object and day."""
        self._end()
        return pl.concat(self._daily)

    def regional(self) -> pl.DataFrame:
        """Usage by object and region."""
        self._end()
        return pl.concat(self._regional)

    def requesters(self) -> pl.DataFrame:
        """Who used what."""
        bits = (np.unpackbits(users, bitorder="little") for users in self._tables.users)
        ips = [np.flatnonzero(used).astype(np.uint32) for used in bits]
        owning = np.arange(len(ips), dtype=np.uint32).repeat([len(found) for found in ips])
        return pl.DataFrame({"owning": owning, "ip": np.concatenate(ips)})

    def _end(self) -> None:
        daily, regional = self._room(0)
        days, regions = _close(self._open, daily, regional, 0, 0)
        self._keep(daily[:days], regional[:regions])

    def _room(self, requests: int) -> tuple[np.ndarray, np.ndarray]:
        """For what so many requests, and those of the object that is not yet added up, become."""
        return np.empty(requests + 1, _DAILY), np.empty(
            requests + len(self._open.regions), _REGIONAL
        )

    def _keep(self, daily: np.ndarray, regional: np.ndarray) -> None:
        self._daily.append(pl.DataFrame(daily))
        self._regional.append(pl.DataFrame(regional))


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


class _Open(NamedTuple):
    """An object, of which more may follow: its last day, its regions, and a bit for each of them.

    There is none where the day has no requests.
    """

    day: np.ndarray
    regions: np.ndarray
    seen: np.ndarray

    @classmethod
    def empty(cls, regions: int) -> _Open:
        """None yet."""
        return cls(
            np.zeros(1, _DAILY),
            np.zeros(regions, _OF_REGION),
            np.zeros(regions // _BITS + 1, np.uint64),
        )


# --- What is compiled ----------------------------------------------------------------------------

_BITS = 64
_DAY = 86_400_000


@inlined
def _close_day(day: np.ndarray, daily: np.ndarray, days: int) -> int:
    if day.number_of_requests == 0:
        return days
    daily[days] = day
    day.bytes_sent = day.number_of_requests = day.number_of_downloads = 0
    day.digest = 0
    return days + 1


@compiled
def _close(
    open_: _Open, daily: np.ndarray, regional: np.ndarray, days: int, regions: int
) -> tuple[int, int]:
    """Put the rows of the object that is open behind others. How many there are of both then."""
    days = _close_day(open_.day[0], daily, days)
    for word in range(len(open_.seen)):
        bits, region = open_.seen[word], word * _BITS
        while bits != np.uint64(0):
            if bits & np.uint64(1):
                counts, row = open_.regions[region], regional[regions]
                row.object = open_.day[0].object
                row.other = region
                row.bytes_sent = counts.bytes_sent
                row.number_of_requests = counts.number_of_requests
                row.number_of_downloads = counts.number_of_downloads
                counts.bytes_sent = counts.number_of_requests = counts.number_of_downloads = 0
                regions += 1
            bits >>= np.uint64(1)
            region += 1
        open_.seen[word] = 0
    return days, regions


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
def _add(
    rows: _Rows, tables: _Tables, open_: _Open, daily: np.ndarray, regional: np.ndarray
) -> tuple[int, int]:
    """Add requests.

    Args:
        rows: `_Rows`.
        tables: `_Tables`.
        open_: `_Open`.
        daily: Becomes the rows of objects and their days that are closed.
        regional: The same of regions.

    Returns:
        How many there are of both.
    """
    days = regions = request = 0
    day = open_.day[0]
    for row in range(len(rows.sizes)):
        if rows.objects[row] != day.object:
            days, regions = _close(open_, daily, regional, days, regions)
            day.object = rows.objects[row]
        users = tables.users[tables.owning[day.object]]
        begin = (np.int64(day.other) + FIRST_DATE) * _DAY
        for place in range(rows.sizes[row]):
            time, ip, size = rows.timestamp[request], rows.ip[request], rows.bytes_sent[request]
            if not begin <= time < begin + _DAY:
                days = _close_day(day, daily, days)
                date = time // _DAY
                begin = date * _DAY
                day.other = date - FIRST_DATE
            region = tables.region_of_ip[ip]
            is_download = np.int64(rows.status[request] == DOWNLOAD)
            day.bytes_sent += size
            day.number_of_requests += 1
            day.number_of_downloads += is_download
            day.digest += _mixed(rows, tables, request, place, region)
            counts = open_.regions[region]
            counts.bytes_sent += size
            counts.number_of_requests += 1
            counts.number_of_downloads += is_download
            open_.seen[region // _BITS] |= np.uint64(1) << np.uint64(region % _BITS)
            users[ip >> 3] |= np.uint8(1) << np.uint8(ip & 7)
            request += 1
    return days, regions


def _load() -> None:
    nothing = pl.Series(dtype=pl.UInt32)
    loop = Loop(nothing, 0, nothing, pl.Series(dtype=pl.UInt64))
    lists = {"timestamp": pl.Int64, "ip": pl.UInt32, "bytes_sent": pl.Int64, "status": pl.UInt16}
    loop.add(
        pl.DataFrame(
            schema={"object": pl.UInt32, **{name: pl.List(of) for name, of in lists.items()}}
        )
    )
    loop.daily()


with loading():
    _load()
