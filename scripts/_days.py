"""Days and the gaps between them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from itertools import pairwise


def days_between(days: list[dt.date]) -> list[dt.date]:
    """The days that are missing between the first and the last of some, which are in order."""
    return [
        before + dt.timedelta(number)
        for before, after in pairwise(days)
        for number in range(1, (after - before).days)
    ]


def spans(days: Iterable[dt.date]) -> Iterator[tuple[dt.date, dt.date]]:
    """Days in order -> the first and the last day of each time without a gap."""
    first = last = None
    for day in days:
        if last is not None and (day - last).days > 1:
            yield first, last
            first = None
        first, last = first or day, day
    if last is not None:
        yield first, last
