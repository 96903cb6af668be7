"""How Snakemake notices that `locate` has something to do though no file changed.

Addresses that nobody answered are to be asked about again in the next run, and once a day some
regions are to be checked again. Each run of `locate` has a number, which is one of its params; the
number of the last run is kept in the cache. A run that has such work ahead gets the next number,
by which Snakemake knows that the rule must run; otherwise the number stays the same.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import NamedTuple

from _files import write_json


class Attempt(NamedTuple):
    """A run of `locate`.

    Attributes:
        number: Counted from 1.
        day: When it was, in UTC.
        waiting: Addresses that were left for a later run.
    """

    number: int
    day: date
    waiting: int


def last_attempt(cache: Path) -> Attempt | None:
    """The last run of `locate` with this cache, None if there was none."""
    try:
        kept = json.loads(_path(cache).read_text(encoding="utf-8"))
        return Attempt(kept["number"], date.fromisoformat(kept["day"]), kept["waiting"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep_attempt(cache: Path, attempt: Attempt) -> None:
    """Keep it as the last one."""
    write_json(_path(cache), {**attempt._asdict(), "day": attempt.day.isoformat()})


def next_number(
    last: Attempt | None, *, today: date, recheck_days: int, max_lookups: int | None
) -> int:
    """The number for the coming run: another one than the last if there is work for it.

    Args:
        last: The last run.
        today: In UTC.
        recheck_days: In how many days all regions are checked again; 0 if never.
        max_lookups: How many addresses may be asked about in a run; None if there is no limit.
    """
    if last is None:
        return 1
    asks_again = last.waiting > 0 and max_lookups != 0
    checks_again = recheck_days > 0 and last.day < today
    return last.number + (asks_again or checks_again)


def _path(cache: Path) -> Path:
    return cache / "regions.json"
