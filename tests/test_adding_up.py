"""What a month's requests add up to: by expressions, by the compiled loop, and in plain Python."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import _adding_up
import assign
import polars as pl
import pytest
from _digests import FACTORS, label_hashes
from _tables import ROUTES, TIMESTAMP
from hypothesis import example, given, settings
from hypothesis import strategies as st

DAY = 86_400_000
FIRST = 1_650_000_000_000 // DAY * DAY
"""Milliseconds since 1970."""
REGIONS = 70
"""More than the bits of a word."""
IPS = 20
DANDISETS = 3


class Request(NamedTuple):
    """A request of an object that has a number."""

    object: int
    timestamp: int
    ip: int
    bytes_sent: int
    status: int


class Month(NamedTuple):
    """Rows of bins, how many go in at once, and what their numbers stand for."""

    rows: list[list[Request]]
    at_once: int
    owning: list[int]
    region_of_ip: list[int]

    def bins(self) -> pl.DataFrame:
        """The rows as `assign.slices` gives them."""
        lists = {
            "timestamp": TIMESTAMP,
            "ip": pl.UInt32,
            "bytes_sent": pl.Int64,
            "status": pl.UInt16,
        }
        return pl.DataFrame(
            {
                "object": [row[0].object for row in self.rows],
                **{name: [[getattr(x, name) for x in row] for row in self.rows] for name in lists},
            },
            {"object": pl.UInt32, **{name: pl.List(dtype) for name, dtype in lists.items()}},
        )

    def expected(self) -> dict[str, list[tuple]]:
        """What the requests add up to."""
        hashes = label_hashes(LABELS).to_list()
        usage, objects = defaultdict(lambda: [0, 0, 0]), defaultdict(lambda: [0, 0, 0, 0])
        days = defaultdict(set)
        users = set()
        for row in self.rows:
            for place, request in enumerate(row):
                region = self.region_of_ip[request.ip]
                when = request.timestamp * FACTORS["timestamp"] + place * FACTORS["place"]
                what = request.bytes_sent * FACTORS["bytes_sent"]
                what += request.status * FACTORS["status"] + hashes[region]
                counts = [request.bytes_sent, 1, int(request.status == 200)]
                day = request.timestamp // DAY
                days[request.object].add(dt.date(1970, 1, 1) + dt.timedelta(days=day))
                for label in ((1 << 30) + day, (1 << 31) + region):
                    add(usage[request.object, label], counts)
                add(objects[request.object], [*counts, when * what])
                users.add((self.owning[request.object], request.ip))
        return {
            "usage": [(*of, *sums) for of, sums in sorted(usage.items())],
            "objects": [
                (of, *sums[:3], min(days[of]), max(days[of]), sums[3] % 2**64)
                for of, sums in sorted(objects.items())
            ],
            "requesters": sorted(users),
        }


LABELS = [f"US/Region {number}" for number in range(REGIONS)]


def add(sums: list[int], numbers: Sequence[int]) -> None:
    """Add numbers to sums."""
    sums[:] = [a + b for a, b in zip(sums, numbers, strict=True)]


@st.composite
def months(draw: st.DrawFn) -> Month:
    """Bins as `bin` makes them: by object, then in the order of time, some in several rows."""
    numbers = st.integers(0, 5)
    request = st.tuples(
        numbers,
        st.sampled_from([FIRST, FIRST + 1, FIRST + DAY - 1, FIRST + DAY, FIRST + 9 * DAY]),
        st.integers(0, IPS - 1),
        st.integers(0, 2**53),
        st.sampled_from([200, 206, 204]),
    )
    requests = [Request(*x) for x in draw(st.lists(request, max_size=40))]
    requests.sort(key=lambda x: (x.object, x.timestamp))
    present = sorted({x.object for x in requests})
    cuts = draw(st.sets(st.integers(0, 40)))
    rows: list[list[Request]] = []
    for number, one in enumerate(requests):
        one = one._replace(object=present.index(one.object))
        if rows and rows[-1][-1].object == one.object and number not in cuts:
            rows[-1].append(one)
        else:
            rows.append([one])
    return Month(
        rows,
        draw(st.integers(1, 5)),
        draw(st.lists(st.integers(0, DANDISETS - 1), min_size=6, max_size=6)),
        draw(st.lists(st.integers(0, REGIONS - 1), min_size=IPS, max_size=IPS)),
    )


@pytest.mark.parametrize("way", ["expressions", "loop"])
@settings(deadline=None)
@given(month=months())
@example(month=Month([], 1, [], []))
def test_a_month_adds_up(way: str, month: Month):
    owning, region_of_ip = (
        pl.Series(numbers, dtype=pl.UInt32) for numbers in (month.owning, month.region_of_ip)
    )
    hashes = label_hashes(LABELS)
    if way == "loop":
        sums = _adding_up.Loop(owning, DANDISETS, region_of_ip, hashes)
    else:
        sums = assign.Expressions(owning, region_of_ip, hashes)
    bins = month.bins()
    for begin in range(0, len(bins) or 1, month.at_once):
        sums.add(bins[begin : begin + month.at_once])
    counted = ["bytes_sent", "number_of_requests", "number_of_downloads"]
    usage, objects, requesters = sums.usage(), sums.objects(), sums.requesters()
    assert usage.columns == ["object", "label", *counted]
    assert objects.columns == ["object", *counted, "first_date", "last_date", "digest"]
    assert {
        "usage": usage.rows(),
        "objects": objects.rows(),
        "requesters": requesters.select("owning", "ip").rows(),
    } == month.expected()


@pytest.mark.parametrize(
    ("requests", "room", "way"),
    [
        (assign.SLICE, assign.ROOM_FOR_USERS, assign.Expressions),
        (assign.SLICE + 1, assign.ROOM_FOR_USERS, _adding_up.Loop),
        (assign.SLICE + 1, 2 * 3, _adding_up.Loop),
        (assign.SLICE + 1, 2 * 3 - 1, assign.Expressions),
    ],
)
def test_the_loop_is_for_large_months_while_its_table_has_room(
    requests: int, room: int, way: type, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(assign, "ROOM_FOR_USERS", room)
    routes = pl.DataFrame([("blobs/a", "000002", True, "Video")], dict(ROUTES), orient="row")
    holders = assign.Holders(pl.Series(["blobs/a"]), routes)
    region_of_ip = pl.Series([0] * 17, dtype=pl.UInt32)
    assert type(assign.sums_of(requests, holders, region_of_ip, pl.Series(["US"]))) is way
