"""A client of the DANDI REST API: patient, polite, and sure that it got everything.

The shapes are those of https://api.dandiarchive.org/api: pages with `count`, `next` and `results`,
where only the first page has a `count`.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import logging
import re
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from _software import VERSION

log = logging.getLogger(__name__)

PAGE_SIZE = 1000
"""The API cuts larger ones to this without a word."""
READS = 3
"""How often something that changes while it is read is read."""
LONGEST_ANSWER = 1 << 27
"""Bytes; a page of 1,000 assets has about half a million."""
CHUNK = 1 << 16

Row = dict[str, Any]


class ApiError(Exception):
    """Something that cannot be read: what it is, and what is wrong with it."""


class UnavailableError(ApiError):
    """The archive does not answer, however often it is asked."""


class ChangedError(ApiError):
    """Not as many rows as the first page promised: it changed while it was read."""


class _TryAgainError(Exception):
    """Asking again may help."""

    def __init__(self, problem: str, wait: float | None = None, *, everyone: bool = False) -> None:
        super().__init__(problem)
        self.wait = wait
        self.everyone = everyone


@dataclass(frozen=True)
class Limits:
    """How politely and how patiently the API is asked.

    Attributes:
        connections: How many requests are under way at most.
        timeout: Seconds within which an answer must be there as a whole.
        tries: How often a request is made at most.
        wait: Seconds before the second try; each later wait is twice as long.
        give_up_after: Seconds after which a request is not tried again.
    """

    connections: int = 4
    timeout: float = 60
    tries: int = 6
    wait: float = 1
    give_up_after: float = 600


@dataclass(frozen=True)
class Draft:
    """A draft as a list describes it; its numbers may be unknown."""

    modified: str
    asset_count: int | None
    size: int | None


@dataclass(frozen=True)
class Entry:
    """A Dandiset of the list: its draft and its most recent published version, if it has them."""

    dandiset: str
    draft: Draft | None
    published: str | None


@dataclass(frozen=True)
class Assets:
    """The assets of a version.

    Attributes:
        rows: (path, content id, kind, size, created) each.
        pages: How many pages they came in.
    """

    rows: list[tuple[str, str, str, int, str]]
    pages: int

    def agree_with(self, draft: Draft) -> bool:
        """Whether they are as many, and as large together, as the draft that a list described."""
        size = sum(row[3] for row in self.rows)
        return (len(self.rows), size) == (draft.asset_count, draft.size)


class Api:
    """The API of one instance of the archive; several threads can use it."""

    def __init__(self, url: str, limits: Limits) -> None:
        self._url = url.rstrip("/")
        self._limits = limits
        self._stopped = threading.Event()
        self._of_thread = threading.local()
        self._lock = threading.Lock()
        self._resume_at = 0.0
        self.number_of_requests = 0

    def stop(self) -> None:
        """Ask nothing more, and wake up who waits; what is under way ends with an `ApiError`."""
        self._stopped.set()

    # --- What can be asked ---

    def dandisets(self) -> tuple[list[Entry], dict[str, str], str | None]:
        """The list of Dandisets.

        Returns:
            The entries by id, the faults of single entries by Dandiset, and what is wrong with the
            list as a whole: None if it was read completely.
        """
        for attempt in range(1, READS + 1):
            rows: list[Row] = []
            problem = None
            try:
                self._collect("/dandisets/", "ordering=id", rows)
            except ChangedError as error:
                problem = str(error)
                if attempt < READS:
                    self._sleep(self._limits.wait)
                    continue
            except ApiError as error:
                problem = str(error)
            break
        entries: dict[str, Entry] = {}
        faults: dict[str, str] = {}
        for row in rows:
            try:
                entry = _entry(row)
                entries[entry.dandiset] = entry
            except ApiError as error:
                name = row.get("identifier")
                if isinstance(name, str) and re.fullmatch("[0-9]{6}", name):
                    faults[name] = str(error)
                else:
                    problem = problem or str(error)
        return [entries[key] for key in sorted(entries)], faults, problem

    def versions(self, dandiset: str) -> tuple[list[str], Draft | None]:
        """The published versions of a Dandiset, sorted as text, and its draft as it is now."""
        path = f"/dandisets/{dandiset}/versions/"
        rows, _ = self._all(path, "")
        published = []
        draft = None
        for row in rows:
            name = row.get("version")
            if name == "draft":
                draft = _draft(row, path)
            else:
                published.append(_version(name, path))
        return sorted(set(published)), draft

    def assets(self, dandiset: str, version: str) -> Assets:
        """All assets of a version.

        Raises:
            ApiError: They cannot be read, or not all of them, or one is not what it should be.
        """
        path = f"/dandisets/{dandiset}/versions/{quote(version)}/assets/"
        rows, pages = self._all(path, "order=path", key="asset_id")
        return Assets([_asset(row, path) for row in rows], pages)

    # --- Pages ---

    def _all(self, path: str, query: str, key: str | None = None) -> tuple[list[Row], int]:
        """All rows below `path`, read again if they changed meanwhile, and the number of pages."""
        for attempt in range(1, READS + 1):
            rows: list[Row] = []
            try:
                pages = self._collect(path, query, rows, key)
            except ChangedError:
                if attempt == READS:
                    raise
                self._sleep(self._limits.wait)
            else:
                return rows, pages
        raise AssertionError("unreachable")

    def _collect(self, path: str, query: str, rows: list[Row], key: str | None = None) -> int:
        """Put the rows of all pages below `path` into `rows`; returns the number of pages.

        Of `next` only the query is taken: behind a proxy its host may not be the one to ask.

        Raises:
            ChangedError: The rows are not as many as the first page's `count`, or not all others.
        """
        query = "&".join(filter(None, [query, f"page_size={PAGE_SIZE}"]))
        seen = {query}
        page = self._page(path, query)
        count = page.get("count")
        if not _is_count(count):
            raise ApiError(f"{path}: the first page has no count")
        pages = 1
        rows += page["results"]
        while page["next"] is not None and page["results"] and len(rows) <= count:
            query = urlsplit(page["next"]).query
            if query in seen:
                raise ApiError(f"{path}: the pages go round in a circle")
            seen.add(query)
            page = self._page(path, query)
            pages += 1
            rows += page["results"]
        if len(rows) != count:
            raise ChangedError(f"{path}: {len(rows)} rows came, {count} were announced")
        keys = [row.get(key) for row in rows if isinstance(row.get(key), str)] if key else []
        if len(set(keys)) != len(keys):
            raise ChangedError(f"{path}: some of the {count} rows came twice")
        return pages

    def _page(self, path: str, query: str) -> Row:
        """A page: a dict with `results`, a list of dicts, and `next`, a URL or None."""
        page = self._get(path, query)
        if not isinstance(page, dict):
            raise ApiError(f"{path}: the answer is not a page but {_kind(page)}")
        results = page.get("results")
        if not isinstance(results, list) or not all(isinstance(row, dict) for row in results):
            raise ApiError(
                f"{path}: the answer is not a page, for its results are no list of objects"
            )
        following = page.get("next")
        if not (following is None or isinstance(following, str)):
            raise ApiError(f"{path}: the answer is not a page, for its next is {_kind(following)}")
        return {"count": page.get("count"), "next": following, "results": results}

    # --- Single requests ---

    def _get(self, path: str, query: str) -> Any:
        """The JSON at a path, asked for until it comes or the limits are reached.

        Raises:
            UnavailableError: The limits were reached.
            ApiError: Asking again would not help.
        """
        limits = self._limits
        end = time.monotonic() + limits.give_up_after
        for attempt in range(1, limits.tries + 1):
            self._wait_with_the_others()
            try:
                return self._ask(path, query)
            except _TryAgainError as problem:
                wait = problem.wait
                wait = limits.wait * 2 ** (attempt - 1) if wait is None else max(wait, limits.wait)
                if attempt == limits.tries or time.monotonic() + wait > end:
                    raise UnavailableError(
                        f"{path}: {problem} (given up after {attempt} of {limits.tries} tries)"
                    ) from None
                log.info("%s: %s; again in %.1f s", path, problem, wait)
                if problem.everyone:
                    with self._lock:
                        self._resume_at = max(self._resume_at, time.monotonic() + wait)
                else:
                    self._sleep(wait)
        raise AssertionError("unreachable")

    def _wait_with_the_others(self) -> None:
        """Wait while the archive has asked for less: that holds for every connection."""
        while (wait := self._resume_at - time.monotonic()) > 0:
            self._sleep(wait)
        self._sleep(0)

    def _sleep(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise ApiError("stopped")

    def _session(self) -> requests.Session:
        """This thread's session. It takes proxies from the environment, but no passwords."""
        if not hasattr(self._of_thread, "session"):
            session = requests.Session()
            session.headers["User-Agent"] = f"usage-per-dandiset/{VERSION}"
            session.headers["Accept"] = "application/json"
            session.auth = lambda request: request
            self._of_thread.session = session
        return self._of_thread.session

    def _ask(self, path: str, query: str) -> Any:
        """Ask once. What an exception of `requests` says is not passed on: it may hold secrets."""
        timeout = self._limits.timeout
        end = time.monotonic() + timeout
        with self._lock:
            self.number_of_requests += 1
        try:
            with self._session().get(
                f"{self._url}{path}?{query}", timeout=timeout, stream=True
            ) as answer:
                _check_status(answer, path)
                body = self._body(answer, path, end)
        except requests.Timeout:
            raise _TryAgainError(f"no answer within {timeout:g} s") from None
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            raise _TryAgainError("the connection failed") from None
        except requests.exceptions.ContentDecodingError:
            raise _TryAgainError("the answer cannot be decoded") from None
        except requests.RequestException as error:
            raise ApiError(f"{path}: it cannot be asked for ({type(error).__name__})") from None
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise _TryAgainError("the answer is no JSON") from None

    def _body(self, answer: requests.Response, path: str, end: float) -> bytes:
        """The body of an answer, which may neither drip for ever nor be endless."""
        body = bytearray()
        for chunk in answer.iter_content(CHUNK):
            body += chunk
            if time.monotonic() > end:
                raise _TryAgainError(f"no whole answer within {self._limits.timeout:g} s")
            if len(body) > LONGEST_ANSWER:
                raise ApiError(f"{path}: the answer has more than {LONGEST_ANSWER} bytes")
        return bytes(body)


def _check_status(answer: requests.Response, path: str) -> None:
    status = answer.status_code
    if status == requests.codes.ok:
        return
    if status == requests.codes.too_many_requests or status >= 500:
        raise _TryAgainError(
            f"the archive answers {status}",
            _retry_after(answer.headers.get("Retry-After", "")),
            everyone=status == requests.codes.too_many_requests,
        )
    meaning = {
        401: "it is embargoed (401)",
        403: "it is embargoed (403)",
        404: "it is deleted or unknown (404)",
    }
    raise ApiError(f"{path}: {meaning.get(status, f'the archive answers {status}')}")


def _retry_after(value: str) -> float | None:
    """Seconds of a `Retry-After`, which is a number or a date; None if it says nothing."""
    value = value.strip()
    if re.fullmatch("[0-9]{1,9}", value):
        return float(value)
    try:
        until = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=dt.UTC)
    return max(0.0, (until - dt.datetime.now(dt.UTC)).total_seconds())


# --- What rows are ---


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _text(row: Row, name: str, where: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise ApiError(f"{where}: {name} is not a text but {_kind(value)}")
    return value


def _version(name: Any, where: str) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"[0-9]+(\.[0-9]+)*", name):
        raise ApiError(f"{where}: {name!r:.80} is no published version")
    return name


def _draft(row: Row, where: str) -> Draft:
    count, size = row.get("asset_count"), row.get("size")
    return Draft(
        modified=_text(row, "modified", where),
        asset_count=count if _is_count(count) else None,
        size=size if _is_count(size) else None,
    )


def _entry(row: Row) -> Entry:
    """An entry of the list of Dandisets.

    Raises:
        ApiError: It is not what it should be.
    """
    where = "the list of Dandisets"
    name = row.get("identifier")
    if not isinstance(name, str) or not re.fullmatch("[0-9]{6}", name):
        raise ApiError(f"{where}: {name!r:.80} is no six-digit id")
    where = f"{where}, {name}"
    described: dict[str, Row | None] = {}
    for key in ("draft_version", "most_recent_published_version"):
        value = row.get(key, False)
        if not (value is None or isinstance(value, dict)):
            raise ApiError(f"{where}: {key} is missing or no object")
        described[key] = value
    draft = described["draft_version"]
    published = described["most_recent_published_version"]
    return Entry(
        dandiset=name,
        draft=None if draft is None else _draft(draft, where),
        published=None if published is None else _version(published.get("version"), where),
    )


def _asset(row: Row, where: str) -> tuple[str, str, str, int, str]:
    """(path, content id, kind, size, created) of an asset.

    Raises:
        ApiError: It is not what it should be.
    """
    path = _text(row, "path", where)
    where = f"{where}: asset {path!r:.200}"
    blob, store = row.get("blob"), row.get("zarr")
    if (blob is None) == (store is None):
        both = "neither blob nor zarr" if blob is None else "both blob and zarr"
        raise ApiError(f"{where} has {both}")
    kind = "blob" if store is None else "zarr"
    size = row.get("size")
    if not _is_count(size) or size >= 1 << 63:
        raise ApiError(f"{where}: size is no number of bytes")
    _text(row, "asset_id", where)
    return path, _text(row, kind, where), kind, size, _text(row, "created", where)
