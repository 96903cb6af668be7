"""When the listing of Dandisets is fetched again, and what is known of the last time.

Snakemake imports this while it plans, so it needs neither Polars nor a network.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from _files import write_json

NEVER = "never"
DAILY = "daily"
ALWAYS = "always"

THE_LIST = "list of Dandisets"
"""Stands for the list itself where a Dandiset could be named."""


@dataclass(frozen=True)
class Selection:
    """Whose assets a run asks for: of `only` if it names any, else of all but `without`."""

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def takes(self, dandiset: str) -> bool:
        """Whether a Dandiset is asked for."""
        return dandiset in self.only if self.only else dandiset not in self.without


@dataclass(frozen=True)
class State:
    """What the last time left behind.

    Attributes:
        tried: When the API was asked last, `2022-05-01T05:06:35Z`.
        refreshed: When the list of Dandisets was last read as a whole; None if never.
        listed: The Dandisets of that list, sorted.
        selection: Whose assets were asked for.
        faults: Dandiset (or `THE_LIST`) -> why it keeps its last listing.
        missing: Those of the selection that have no listing at all, sorted.
        tries_with_faults: How often that day's attempts ended with a fault.
        tries_with_missing: How often attempts of any day ended with something missing.
    """

    tried: str
    refreshed: str | None = None
    listed: tuple[str, ...] = ()
    selection: Selection = Selection()
    faults: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    tries_with_faults: int = 0
    tries_with_missing: int = 0

    def day(self) -> str:
        """The day of the last attempt, UTC."""
        return self.tried[:10]


def now() -> dt.datetime:
    """The present time in UTC, to the second."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def as_text(time: dt.datetime) -> str:
    """`2022-05-01T05:06:35Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def folder_of(cache: Path, api_url: str) -> Path:
    """The folder of what an instance of the archive told: each has its own.

    The slash at the end of the URL makes no difference.
    """
    url = api_url.rstrip("/")
    name = re.sub(r"[^A-Za-z0-9.]+", "_", url.split("://", 1)[-1]).strip("_.")
    return Path(cache) / "dandisets" / f"{name[:60]}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"


def read_state(folder: Path) -> State | None:
    """What the last time left behind; None if there is nothing, or nothing that can be read."""
    try:
        kept = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        kept["selection"] = Selection(**{k: tuple(v) for k, v in kept["selection"].items()})
        kept["listed"], kept["missing"] = tuple(kept["listed"]), tuple(kept["missing"])
        return State(**kept)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_state(folder: Path, state: State) -> None:
    """Keep what this time leaves behind."""
    write_json(folder / "state.json", asdict(state))


def is_due(state: State | None, refresh: str, selection: Selection, today: str) -> bool:
    """Whether the API is asked now.

    `always`: yes. `daily`: once a day (UTC), again if that time had a fault, and again by a run
    with another selection. `never`: until every Dandiset of the selection has a listing.
    """
    if state is None or refresh == ALWAYS:
        return True
    if refresh == NEVER:
        names = {*state.listed, *selection.only}
        return bool(state.missing) or any(
            selection.takes(name) and not state.selection.takes(name) for name in names
        )
    return state.day() != today or bool(state.faults) or state.selection != selection


def token(state: State | None, refresh: str, today: str, moment: int) -> str:
    """A text that changes exactly when Snakemake shall fetch the listing again.

    Snakemake records the parameters of a job and runs it again when they differ. A counter of
    the attempts that went wrong makes the next run try again.

    Args:
        state: What the last time left behind.
        refresh: `never`, `daily` or `always`.
        today: The day in UTC.
        moment: A number that no other run has.
    """
    if refresh == ALWAYS:
        return f"always: {moment}"
    if refresh == NEVER:
        return f"never: {state.tries_with_missing if state else 0} incomplete"
    same_day = state is not None and state.day() == today
    return f"daily: {today}, {state.tries_with_faults if same_day else 0} with faults"


def plan(state: State | None, refresh: str, selection: Selection, today: str) -> str:
    """Says when the listing was last refreshed, and whether a run asks the API again."""
    if state is None or state.refreshed is None:
        last = "has never been fetched"
    else:
        day, time = state.refreshed.rstrip("Z").split("T")
        last = f"was last refreshed on {day} at {time} UTC"
    if is_due(state, refresh, selection, today):
        then = "this run asks the API for what is new"
    else:
        then = "this run does not ask the API"
    return f"The listing of Dandisets {last}; {then} (dandi.refresh: {refresh})."


def fault_report(faults: dict[str, str], missing: list[str]) -> list[str]:
    """What went wrong, a line each; empty if nothing did."""
    lines = []
    for name, problem in sorted(faults.items()):
        has = "has no listing yet" if name in missing else "keeps its last listing"
        lines.append(f"{name} {has}: {problem}")
    lines += [f"{name} has no listing yet" for name in missing if name not in faults]
    return lines
