"""Fetch the listing of Dandisets from the archive's API: only what is new since the last time."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import _threads  # noqa: F401
import polars as pl
from _dandi_api import READS, Api, ApiError, Assets, Draft, Entry, Limits, UnavailableError
from _dandi_cache import KEPT, Cache, Kept
from _files import keep_private, write_json
from _listing import LISTING, canonical, first_problem, instant
from _log import UserError, logging_to
from _refresh import (
    NEVER,
    THE_LIST,
    Selection,
    State,
    as_text,
    fault_report,
    folder_of,
    is_due,
    now,
    read_state,
    write_state,
)
from _tables import write_table

log = logging.getLogger(__name__)

HOPELESS = 20
"""After so many Dandisets in a row for which the archive gave no answer the others are not asked
for: the archive is down, and each would cost all tries."""
SECONDS_BETWEEN_REPORTS = 10


def frame_of(assets: Assets, dandiset: str, version: str) -> pl.DataFrame:
    """The assets of a version as they are kept: `KEPT`.

    Raises:
        ApiError: One is not what it should be: no time, no content id, a path out of its folder.
    """
    names = ["path", "content_id", "kind", "size", "created"]
    rows = pl.DataFrame(
        assets.rows,
        schema={name: LISTING[name] for name in names[:4]} | {"created": pl.String},
        orient="row",
    ).with_columns(created=instant(pl.String()), dandiset=pl.lit(dandiset), version=pl.lit(version))
    if found := first_problem(rows):
        problem, row = found
        raise ApiError(f"version {version}, asset {row['path']!r:.200}: {problem}")
    return rows.select(KEPT.names())


def read_draft(api: Api, dandiset: str, listed: Draft) -> tuple[pl.DataFrame, str]:
    """The assets of a draft, and the time of its last change that they surely contain.

    A draft that changes between two pages can lose a row without a difference in number. What
    comes in one page cannot. What comes in several must have the number and the size that the
    list said, or not have been modified meanwhile; else it is read again. If it never stands
    still, the last reading counts, with the time of before it, so that the next run reads again.
    """
    modified = listed.modified
    for _ in range(READS):
        modified = listed.modified
        assets = api.assets(dandiset, "draft")
        if assets.pages == 1 or assets.agree_with(listed):
            break
        _, after = api.versions(dandiset)
        if after is None:
            raise ApiError("its draft went while it was read")
        if after.modified == listed.modified:
            break
        listed = after
    else:
        log.info("%s changes all the time; it is read again next time", dandiset)
    return frame_of(assets, dandiset, "draft"), modified


def refresh_dandiset(api: Api, cache: Cache, entry: Entry) -> bool:
    """Bring the listing of a Dandiset up to date; returns whether anything was new.

    Published versions never change: each is fetched once. Which there are is asked only when the
    most recent one is not known. The draft is fetched when it was modified.

    Raises:
        ApiError: Something cannot be had as a whole. The last listing stays.
    """
    dandiset = entry.dandiset
    kept = cache.kept(dandiset)
    versions: tuple[str, ...] = ()
    if entry.published is not None:
        if kept is not None and entry.published in kept.versions:
            versions = kept.versions
        else:
            versions = tuple(api.versions(dandiset)[0])
            if entry.published not in versions:
                raise ApiError(f"its list of versions lacks {entry.published}")
    modified = entry.draft.modified if entry.draft else None
    if kept == Kept(modified, versions):
        return False
    for version in versions:
        if not cache.has_version(dandiset, version):
            assets = api.assets(dandiset, version)
            cache.keep_version(dandiset, version, frame_of(assets, dandiset, version))
    if entry.draft is None:
        draft = pl.DataFrame(schema=KEPT)
    elif kept is not None and kept.modified == modified:
        draft = cache.draft(dandiset)
    else:
        draft, modified = read_draft(api, dandiset, entry.draft)
    cache.keep(dandiset, Kept(modified, versions), draft)
    return True


class Progress:
    """Tells how far it is: a line in the log now and then, and a bar if there is a terminal."""

    def __init__(self, total: int, what: str) -> None:
        self._total = total
        self._what = what
        self._done = 0
        self._told = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        last = self._done == self._total
        if self._terminal:
            bar = "#" * (30 * self._done // self._total)
            end = "\n" if last else ""
            sys.stderr.write(f"\r{self._what} [{bar:<30}] {self._done} of {self._total}{end}")
            sys.stderr.flush()
        if last or time.monotonic() - self._told >= SECONDS_BETWEEN_REPORTS:
            log.info("%s: %d of %d", self._what, self._done, self._total)
            self._told = time.monotonic()


class Patience:
    """Counts the Dandisets in a row for which the archive gave no answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_a_row = 0

    def ask(self, task: Callable[[], bool]) -> bool:
        """Do a task, unless it is hopeless.

        Raises:
            ApiError: It went wrong, or it was not tried.
        """
        if self._in_a_row >= HOPELESS:
            raise UnavailableError("not asked for, as the archive did not answer for others")
        try:
            result = task()
        except UnavailableError:
            with self._lock:
                self._in_a_row += 1
            raise
        except ApiError:
            self._in_a_row = 0
            raise
        self._in_a_row = 0
        return result


def refresh_all(
    api: Api, cache: Cache, entries: list[Entry], connections: int
) -> tuple[int, dict[str, str]]:
    """Bring listings up to date, several at a time.

    Returns:
        How many had anything new, and why others keep their last listing.
    """
    faults: dict[str, str] = {}
    fresh = 0
    patience = Patience()
    progress = Progress(len(entries), "Dandisets")
    with ThreadPoolExecutor(connections) as pool:
        tasks = {
            pool.submit(patience.ask, partial(refresh_dandiset, api, cache, entry)): entry
            for entry in entries
        }
        try:
            for task in as_completed(tasks):
                name = tasks[task].dandiset
                try:
                    fresh += task.result()
                except ApiError as error:
                    faults[name] = str(error)
                    log.info("%s: %s", name, error)
                progress.step()
        except BaseException:
            api.stop()
            pool.shutdown(cancel_futures=True)
            raise
    return fresh, faults


def ask_archive(
    api: Api, cache: Cache, before: State | None, selection: Selection, refresh: str, limits: Limits
) -> State:
    """Ask the archive for what is new and keep it.

    Args:
        api: The archive's.
        cache: Where it is kept.
        before: What the last time left behind.
        selection: Whose assets are asked for; the list of Dandisets is read in any case.
        refresh: With `never` only what has no listing at all is asked for.
        limits: As the configuration has them.

    Returns:
        What this time leaves behind.
    """
    started = now()
    entries, faults, problem = api.dandisets()
    listed = {entry.dandiset for entry in entries} | set(faults)
    if problem:
        faults = {**faults, THE_LIST: problem}
        listed |= set(before.listed) if before else set()
    for name in selection.only:
        if name not in listed:
            faults[name] = "the archive does not list it: it is embargoed, deleted or unknown"
    chosen = [
        entry
        for entry in entries
        if selection.takes(entry.dandiset) and not (refresh == NEVER and cache.kept(entry.dandiset))
    ]
    fresh, failed = refresh_all(api, cache, chosen, limits.connections)
    log.info(
        "%d Dandisets listed, %d had something new; %d requests",
        len(entries),
        fresh,
        api.number_of_requests,
    )
    faults = {name: text for name, text in faults.items() if not _unselected(name, selection)}
    return after(
        before,
        State(
            tried=as_text(started),
            refreshed=(before.refreshed if before else None) if problem else as_text(started),
            listed=tuple(sorted(listed)),
            selection=selection,
            faults=faults | failed,
        ),
        set(cache.dandisets()),
    )


def _unselected(name: str, selection: Selection) -> bool:
    return name != THE_LIST and not selection.takes(name)


def after(before: State | None, state: State, have: set[str]) -> State:
    """Add to a state what is missing, and count the attempts that went wrong.

    Args:
        before: What the last time left behind.
        state: Of this time.
        have: The Dandisets that have a listing.
    """
    wanted = {name for name in state.listed if state.selection.takes(name)}
    missing = sorted((wanted | set(state.selection.only)) - have)
    if state.refreshed is None:
        missing.append(THE_LIST)
    same_day = before is not None and before.day() == state.day()
    return replace(
        state,
        missing=tuple(missing),
        tries_with_faults=(before.tries_with_faults if same_day else 0) + bool(state.faults),
        tries_with_missing=(before.tries_with_missing if before else 0) + bool(missing),
    )


def listing_of(cache: Cache, listed: Iterable[str], *, whole: bool) -> pl.DataFrame:
    """The listing that the cache has: `LISTING`, in its one form.

    Args:
        cache: What is kept.
        listed: The Dandisets that the archive lists.
        whole: Whether these are surely all, so that others are gone.
    """
    there = set(listed)
    tables = [
        cache.rows(dandiset, gone=whole and dandiset not in there) for dandiset in cache.dandisets()
    ]
    return canonical(pl.concat([pl.DataFrame(schema=LISTING), *tables]))


def account(state: State, have: set[str]) -> dict[str, Any]:
    """What is told of the listing.

    Returns:
        `tried`, `refreshed`: as in the state. `faults`: Dandiset -> problem. `missing`: those of
        the selection that have no listing. `not_asked_for`: listed Dandisets outside the selection
        that have none: what they hold counts for another holder, or is undetermined.
    """
    outside = sorted(name for name in set(state.listed) - have if not state.selection.takes(name))
    return {
        "tried": state.tried,
        "refreshed": state.refreshed,
        "faults": state.faults,
        "missing": list(state.missing),
        "not_asked_for": outside,
    }


def main(
    *,
    api_url: str,
    limits: Limits,
    refresh: str,
    selection: Selection,
    cache: Path,
    listing: Path,
    fetched: Path,
) -> None:
    """Bring the listing up to date, if it is time, and write it.

    Args:
        api_url: The base URL of the archive's API.
        limits: How politely and how patiently it is asked.
        refresh: `never`, `daily` or `always`.
        selection: Whose assets are asked for. Others keep their last listing.
        cache: The folder of what is kept; each instance of the archive has its own in it.
        listing: Where the listing goes, in its one form: `LISTING`.
        fetched: Where its account goes: see `account`.

    Raises:
        UserError: There is no listing at all, neither of this time nor of an earlier one.
    """
    folder = folder_of(keep_private(cache), api_url)
    kept = Cache(folder)
    state = read_state(folder)
    if is_due(state, refresh, selection, as_text(now())[:10]):
        state = ask_archive(Api(api_url, limits), kept, state, selection, refresh, limits)
        write_state(folder, state)
    else:
        log.info(
            "The archive is not asked: dandi.refresh is %s, last time %s", refresh, state.tried
        )
    have = set(kept.dandisets())
    if THE_LIST in state.missing and not have:
        raise UserError(
            f"There is no listing of Dandisets yet, and none came from {api_url}: "
            f"{state.faults.get(THE_LIST, 'nothing was listed')}. Run again when it answers, or "
            "set dandi.source to snapshot."
        )
    told = account(state, have)
    for line in fault_report(told["faults"], told["missing"]):
        log.warning("%s", line)
    if told["not_asked_for"]:
        log.warning(
            "%d Dandisets have no listing, as this run does not select them: what they hold counts "
            "for another Dandiset that holds it, or as undetermined.",
            len(told["not_asked_for"]),
        )
    rows = listing_of(kept, state.listed, whole=THE_LIST not in state.faults)
    write_table(rows, listing, LISTING)
    write_json(fetched, told)
    log.info("%d rows of %d Dandisets", len(rows), len(have))


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            api_url=snakemake.params.api_url,
            limits=Limits(**snakemake.params.limits),
            refresh=snakemake.params.refresh,
            selection=Selection(
                only=tuple(snakemake.params.only), without=tuple(snakemake.params.without)
            ),
            cache=Path(snakemake.params.cache),
            listing=Path(snakemake.output.listing),
            fetched=Path(snakemake.output.fetched),
        )
