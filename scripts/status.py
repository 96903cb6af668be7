"""Tell how the results stand, and whether they are stale."""

import datetime as dt
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import _threads  # noqa: F401
import polars as pl
from _attempts import last_attempt
from _days import days_between, spans
from _files import read_json, write_json
from _labels import UNDETERMINED as UNDETERMINED_REGION
from _log import UserError, logging_to
from _log_lines import CLASSES
from _refresh import as_text, now
from _summaries import read_summary
from _tables import UNDETERMINED

log = logging.getLogger(__name__)

DIGITS = 6
"""Of shares, which are fractions of 1."""
COUNTS = ("bytes_sent", "number_of_requests")
Counts = dict[str, int]
Shares = dict[str, float | None]


def read_if_there(path: Path) -> Any:
    """What a JSON file holds that may be missing, as it is while it is made anew: None then."""
    try:
        return read_json(path)
    except FileNotFoundError:
        return None


def share(part: int, whole: int) -> float | None:
    """A fraction of 1; None of nothing."""
    return round(part / whole, DIGITS) if whole else None


def lines_per_class(reduced: Path, days: Iterable[dt.date]) -> Counts:
    """`lines` and a number per class, of all days that are accounted for."""
    counts = Counter(dict.fromkeys(("lines", *CLASSES), 0))
    for day in days:
        counts.update(read_if_there(reduced / f"{day:%Y/%m/%d}.json") or {})
    return dict(counts)


def undetermined_dandiset(mapped: Path) -> Shares:
    """The share of the archive that no known asset holds, of `COUNTS`."""
    archive = read_if_there(mapped / "archive_totals.json")
    dandisets = read_if_there(mapped / "all_dandiset_totals.json")
    if archive is None or dandisets is None:
        return dict.fromkeys(COUNTS)
    of_none = dandisets.get(UNDETERMINED, {})
    return {
        name: share(of_none.get(f"total_{name}", 0), archive[f"total_{name}"]) for name in COUNTS
    }


def undetermined_region(mapped: Path) -> Shares:
    """The share of the archive whose region is not known yet, of `COUNTS`."""
    try:
        table = read_summary(mapped / "archive_summary_by_region.tsv")
    except FileNotFoundError:
        return dict.fromkeys(COUNTS)
    of_none = table.filter(pl.col("region") == UNDETERMINED_REGION)
    return {name: share(int(of_none[name].sum()), int(table[name].sum())) for name in COUNTS}


def addresses_waiting(lookup: Path, cache: Path) -> int | None:
    """How many addresses have no region yet; None before any was looked up."""
    try:
        regions = pl.scan_parquet(lookup / "regions.parquet")
        return (
            regions.filter(pl.col("region") == UNDETERMINED_REGION)
            .select(pl.len())
            .collect()
            .item()
        )
    except FileNotFoundError:
        last = last_attempt(cache)
        return last.waiting if last else None


def date_of_listing(dandisets: Path, source: str) -> str | None:
    """When the API was last read as a whole, or the day of the newest asset of a snapshot."""
    name, key = ("fetched.json", "refreshed") if source == "api" else ("listing.json", "date")
    told = read_if_there(dandisets / name)
    return told[key][:10] if told and told[key] else None


def age(day: str | dt.date | None, today: dt.date) -> int | None:
    """How many days ago a day was."""
    if day is None:
        return None
    return (today - (day if isinstance(day, dt.date) else dt.date.fromisoformat(day))).days


def look(
    results: Path, cache: Path, raw_days: list[str], reduced_days: list[str], source: str
) -> dict[str, Any]:
    """Everything there is to tell; see `main`."""
    today = now().date()
    reduced = sorted(map(dt.date.fromisoformat, reduced_days))
    waiting = sorted({*map(dt.date.fromisoformat, raw_days)} - {*reduced})
    missing = [day for day in days_between(reduced) if day not in waiting]
    lines = lines_per_class(results / "reduced", reduced)
    provenance = read_if_there(results / "published" / "provenance.json")
    published = provenance["days"]["newest"] if provenance else None
    listing = date_of_listing(results / "dandisets", source)
    newest = reduced[-1] if reduced else None
    return {
        "time": as_text(now()),
        "days": len(reduced),
        "oldest_day": str(reduced[0]) if reduced else None,
        "newest_day": str(newest) if newest else None,
        "lag_days": age(newest, today),
        "missing_days": [str(day) for day in missing],
        "waiting_days": [str(day) for day in waiting],
        "published_newest_day": published,
        "published_lag_days": age(published, today),
        "lines": lines,
        "malformed_share": share(lines["malformed"], lines["lines"]),
        "undetermined_share": undetermined_dandiset(results / "mapped"),
        "undetermined_region_share": undetermined_region(results / "mapped"),
        "addresses_waiting": addresses_waiting(results / "lookup", cache),
        "listing_date": listing,
        "listing_age_days": age(listing, today),
    }


def staleness(status: dict[str, Any], max_lag_days: int | None) -> str | None:
    """Why the results are stale; None if they are not, or nobody wants to know."""
    if max_lag_days is None:
        return None
    for what, key in (("reduced", "lag_days"), ("published", "published_lag_days")):
        lag = status[key]
        if lag is None:
            return f"Stale: no day is {what} yet, and status.max_lag_days is {max_lag_days}."
        if lag > max_lag_days:
            return (
                f"Stale: the newest day that is {what} is {lag:,} days ago, and "
                f"status.max_lag_days is {max_lag_days}."
            )
    return None


def of_archive(shares: Shares) -> str:
    """Shares of the archive, to be read."""
    if None in shares.values():
        return "not known yet"
    return f"{shares['number_of_requests']:.1%} of requests, {shares['bytes_sent']:.1%} of bytes"


def listed(days: list[str], most: int = 3) -> str:
    """Days, to be read: `2: 2022-01-02 to 2022-01-03`."""
    if not days:
        return "none"
    found = list(spans(map(dt.date.fromisoformat, days)))
    texts = [f"{first}" if first == last else f"{first} to {last}" for first, last in found]
    more = f" and {len(texts) - most} more times" if len(texts) > most else ""
    return f"{len(days):,}: {', '.join(texts[:most])}{more}"


def dated(text: str, day: str | None, days_ago: int | None) -> str:
    """Something of a day, to be read, with its age."""
    return "none yet" if day is None else f"{text} {day}, {days_ago:,} days ago"


def to_read(status: dict[str, Any], *, at_work: bool) -> Iterator[str]:
    """What a person wants to know, line by line."""
    lines, waiting = status["lines"], status["addresses_waiting"]
    days = f"{status['days']:,} reduced, {status['oldest_day']} to"
    rows = [
        ("Days", dated(days, status["newest_day"], status["lag_days"])),
        (
            "Published",
            dated("up to", status["published_newest_day"], status["published_lag_days"]),
        ),
        ("Waiting", listed(status["waiting_days"])),
        ("Missing", listed(status["missing_days"])),
        ("Lines", f"{lines['lines']:,}"),
        *((f"  {name}", f"{lines[name]:,}") for name in CLASSES if lines[name]),
        ("Malformed", "none" if not lines["malformed"] else f"{status['malformed_share']:.3%}"),
        ("Of no asset", of_archive(status["undetermined_share"])),
        ("Of no region", of_archive(status["undetermined_region_share"])),
        ("Addresses", "not known yet" if waiting is None else f"{waiting:,} wait for a look-up"),
        ("Listing", dated("of", status["listing_date"], status["listing_age_days"])),
    ]
    width = max(len(f"  {name}") for name in CLASSES) + 2
    yield from (f"{label:<{width}}{text}" for label, text in rows)
    if at_work:
        yield "A run is at work: these figures are of different moments of it."


def main(
    *,
    results: Path,
    cache: Path,
    raw_days: list[str],
    reduced_days: list[str],
    source: str,
    max_lag_days: int | None,
    at_work: bool,
) -> None:
    """Print how the results stand and write it to `status.json` in them.

    Args:
        results: The folder of results, which may be empty or half done.
        cache: The folder of what is kept.
        raw_days: Days with a raw log, `2022-05-01` each, without excluded years.
        reduced_days: Days that are reduced.
        source: Of the listing: `snapshot` or `api`.
        max_lag_days: How old the newest reduced and the newest published day may be.
        at_work: Whether a run is at work.

    Raises:
        UserError: The newest day that is reduced, or that is published, is older than
            `max_lag_days`, or there is none.
    """
    status = look(results, cache, raw_days, reduced_days, source)
    stale = staleness(status, max_lag_days)
    print(*to_read(status, at_work=at_work), sep="\n", flush=True)
    write_json(
        results / "status.json",
        {**status, "max_lag_days": max_lag_days, "stale": stale is not None, "at_work": at_work},
    )
    if stale:
        raise UserError(stale)


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            results=Path(snakemake.params.results),
            cache=Path(snakemake.params.cache),
            raw_days=snakemake.params.raw_days,
            reduced_days=snakemake.params.reduced_days,
            source=snakemake.params.source,
            max_lag_days=snakemake.params.max_lag_days,
            at_work=snakemake.params.at_work,
        )
