"""What is not told cannot be worked out from what is: attacks on random archives."""

import math
from itertools import product

import _disclosure
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ENDLESS = float("inf")
Relation = tuple[list[int], int]
"""Parts, and the whole that they add up to."""


class Table:
    """Counts with their relations, as the attacker knows them."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.least: list[int] = []
        self.listed: list[bool] = []
        self.worths: list[int] = []
        self.relations: list[Relation] = []
        self.links: list[tuple[int, int]] = []

    def add(self, count: int, least: int = 0, *, listed: bool = True, worth: int = 0) -> int:
        self.counts.append(count)
        self.worths.append(worth)
        self.least.append(least if count else 0)
        self.listed.append(listed)
        return len(self.counts) - 1

    def add_sum(self, parts: list[int], least: int = 0, *, worth: int = 0) -> int:
        whole = self.add(sum(self.counts[part] for part in parts), least, worth=worth)
        self.relations.append((parts, whole))
        return whole

    def untold(self, minimum: int, round_to: int) -> list[bool]:
        members = [
            (number, cell, is_whole)
            for number, (parts, whole) in enumerate(self.relations)
            for cell, is_whole in [*((part, False) for part in parts), (whole, True)]
        ]
        return _disclosure.untold(
            pl.DataFrame(
                [self.counts, self.least, self.listed, [False] * len(self.counts), self.worths],
                schema=_disclosure.CELLS,
            ),
            pl.DataFrame(members, schema=_disclosure.MEMBERS, orient="row"),
            pl.DataFrame(self.links, schema=_disclosure.LINKS, orient="row"),
            minimum,
            round_to,
        ).to_list()

    def attack(
        self, minimum: int, told: list[bool], round_to: int = 1
    ) -> list[tuple[float, float]]:
        """The interval of each cell, for who knows how figures are rounded, by plain Python."""
        intervals = []
        for count, least, listed, is_told in zip(
            self.counts, self.least, self.listed, told, strict=True
        ):
            if is_told:
                first = (count + round_to // 2) // round_to * round_to - round_to // 2
                intervals.append((max(first, minimum), first + round_to - 1))
            elif not listed:
                intervals.append((0, ENDLESS))
            elif count < minimum:
                intervals.append((least, minimum - 1))
            else:
                intervals.append((minimum, ENDLESS))
        before = None
        while before != intervals:
            before = list(intervals)
            for parts, whole in self.relations:
                for cell in [*parts, whole]:
                    others = [part for part in parts if part != cell]
                    low = sum(intervals[part][0] for part in others)
                    high = sum(intervals[part][1] for part in others)
                    if cell != whole:
                        low, high = intervals[whole][0] - high, intervals[whole][1] - low
                    narrow(intervals, cell, low, high)
            for part, whole in self.links:
                narrow(intervals, part, 0, intervals[whole][1])
                narrow(intervals, whole, intervals[part][0], ENDLESS)
        return intervals


def narrow(intervals: list[tuple[float, float]], cell: int, low: float, high: float) -> None:
    intervals[cell] = (max(intervals[cell][0], low), min(intervals[cell][1], high))


def assert_protected(table: Table, minimum: int, round_to: int = 1) -> list[bool]:
    """Of what the words leave of a small count, nothing in its span can be ruled out.

    And in no sum is a small count the only one untold.
    """
    untold = table.untold(minimum, round_to)
    words = table.attack(minimum, [False] * len(untold))
    found = table.attack(minimum, [not hidden for hidden in untold], round_to)
    for parts, whole in table.relations:
        assert sum(untold[cell] for cell in [*parts, whole]) != 1
    for cell, (count, listed) in enumerate(zip(table.counts, table.listed, strict=True)):
        assert untold[cell] or count >= minimum
        if count < minimum:
            box = span(count, minimum)
            low, high = words[cell] if listed else (0, minimum - 1)
            assert found[cell][0] <= max(low, box[0]), cell
            assert found[cell][1] >= min(high, box[1]), cell
    return untold


def span(count: int, minimum: int) -> tuple[int, int]:
    """20 values of 0 to 49 around a count."""
    size = math.ceil(0.4 * minimum)
    first = max(0, min(count - size // 2, minimum - size))
    return first, first + size - 1


def untold_of(rows: list[int], round_to: int) -> list[int]:
    """What is untold of a table, its total the last."""
    table = Table()
    table.add_sum([table.add(row, 1) for row in rows], 1)
    return untold_counts(table, round_to)


def untold_counts(table: Table, round_to: int = 1) -> list[int]:
    untold = assert_protected(table, 50, round_to)
    return [count for count, is_untold in zip(table.counts, untold, strict=True) if is_untold]


# --- One table -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "hidden"),
    [
        ([100, 200, 300], []),
        ([3, 4, 5], [3, 4, 5, 12]),
        ([30, 40, 45], [30, 40, 45]),
        # One alone would be the total less the others: another goes with it.
        ([3, 100, 200], [3, 100]),
        # The smallest that leaves a span possible, not the smallest of all.
        ([3, 65, 100, 200], [3, 100]),
        ([3, 66, 100, 200], [3, 66]),
        ([30, 58, 100, 200], [30, 100]),
        ([45, 54, 100, 200], [45, 54]),
        # These leave each other room enough, or not.
        ([20, 25, 30, 25, 400], [20, 25, 30, 25]),
        ([5, 3, 5, 74], [5, 3, 5, 74]),
        ([1, 2, 400, 900], [1, 2, 400]),
        ([49, 49], [49, 49, 98]),
    ],
    ids=str,
)
def test_what_is_hidden_with_small_rows(rows: list[int], hidden: list[int]):
    assert untold_of(rows, 1) == hidden


@pytest.mark.parametrize(
    ("rows", "hidden"),
    [
        # One alone that is untold is told by the others, whatever the figures leave open.
        ([3, 100, 200], [3, 100]),
        ([30, 58, 100, 200], [30, 100]),
        # The figures told leave open what these do not leave each other.
        ([5, 3, 100, 200], [5, 3]),
        ([30, 40, 45], [30, 40, 45]),
        ([48, 45, 36], [48, 45, 36]),
        # 130 is told as 140, which would leave 27 to 31 out for the 37.
        ([48, 45, 37], [48, 45, 37, 130]),
        # But not here: 41 or more each, by the words.
        ([49, 49], [49, 49, 98]),
    ],
    ids=str,
)
def test_what_rounded_figures_leave_open_need_not_be_hidden(rows: list[int], hidden: list[int]):
    assert untold_of(rows, 20) == hidden


@pytest.mark.parametrize(
    ("worths", "hidden"),
    [
        ((0, 0, 0), [3, 100]),
        ((1, 0, 0), [3, 200]),
        ((1, 1, 0), [3, 303]),
        ((2, 2, 1), [3, 303]),
        ((2, 1, 2), [3, 200]),
    ],
)
def test_what_is_worth_least_is_hidden_first(worths: tuple[int, int, int], hidden: list[int]):
    table = Table()
    small = table.add(3, 1)
    parts = [
        table.add(count, 1, worth=worth)
        for count, worth in zip((100, 200), worths[:2], strict=True)
    ]
    table.add_sum([small, *parts], 1, worth=worths[2])
    assert untold_counts(table) == hidden


def test_a_figure_that_would_tell_downloads_goes_with_them():
    """All requests are downloads: 400 of one would tell that of the other."""
    table = Table()
    downloads = [table.add(count) for count in (3, 400, 900)]
    requests = [table.add(count, 1) for count in (700, 400, 900)]
    table.add_sum(downloads)
    table.add_sum(requests)
    table.links = list(zip(downloads, requests, strict=True))
    untold = assert_protected(table, 50)
    assert untold[:2] == [True, True]
    assert untold[4]


def test_what_is_not_listed_is_protected_too():
    table = Table()
    rows = [table.add(count, 1) for count in (100, 200)]
    rows.append(table.add(3, listed=False))
    table.add_sum(rows)
    assert assert_protected(table, 50) == [True, False, True, False]


def test_nothing_to_tell():
    assert Table().untold(50, 20) == []


# --- Linked tables -------------------------------------------------------------------------------

MINIMUM = 10
COUNTS = st.one_of(
    st.just(0), st.integers(1, MINIMUM), st.integers(1, 4 * MINIMUM), st.integers(1, 1000)
)


@st.composite
def archives(draw: st.DrawFn) -> Table:
    """Dandisets by day: each has a total, each day too; requests, and downloads among them."""
    table = Table()
    days = range(draw(st.integers(1, 4)))
    names = range(draw(st.integers(1, 4)))
    requests = {at: draw(COUNTS) for at in product(names, days)}
    downloads = {
        at: draw(st.one_of(st.just(count), st.integers(0, count))) for at, count in requests.items()
    }
    cells: list[dict] = []
    for counts, least in ((requests, 1), (downloads, 0)):
        of = {at: table.add(counts[at], least) for at, count in requests.items() if count}
        for name in names:
            rows = [of[at] for at in product([name], days) if at in of]
            if rows:
                of[name, "total"] = table.add_sum(rows, least)
        for day in days:
            rows = [of[at] for at in product(names, [day]) if at in of]
            if rows:
                of["archive", day] = table.add_sum(rows, least)
        totals = [of[name, "total"] for name in names if (name, "total") in of]
        if totals:
            of["archive", "total"] = table.add_sum(totals, least)
            table.relations.append(
                (
                    [of["archive", day] for day in days if ("archive", day) in of],
                    len(table.counts) - 1,
                )
            )
        cells.append(of)
    table.links = [(cells[1][at], cells[0][at]) for at in cells[0]]
    return table


@pytest.mark.parametrize("round_to", [1, 4, 30])
@given(table=archives())
@settings(max_examples=60, deadline=None)
def test_no_attack_on_linked_tables_finds_a_small_count(table: Table, round_to: int):
    assert_protected(table, MINIMUM, round_to)


@given(archives())
@settings(max_examples=30, deadline=None)
def test_the_same_counts_are_hidden_each_time(table: Table):
    assert table.untold(MINIMUM, 4) == table.untold(MINIMUM, 4)
