"""Find the region of every address, looking up only what is not known or due to be checked."""

import logging
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import _threads  # noqa: F401
import polars as pl
from _addresses import Networks, read_number
from _attempts import Attempt, keep_attempt, last_attempt
from _hashes import read_salt
from _labels import UNDETERMINED, UNKNOWN
from _log import logging_to
from _providers import Provider, find_provider
from _region_cache import RegionCache
from _services import find_documents, read_services
from _tables import CACHED_REGIONS, HASHES, IPS, REGIONS_BY_HASH, write_table

log = logging.getLogger(__name__)

WANTED = pl.Schema({**HASHES, **IPS, "before": pl.String})
"""Addresses to be found; `before` is the region that is being checked, null if none is known."""


def unique_hashes(hashes: list[Path]) -> pl.DataFrame:
    """The hashes of all months, once each, and where one stands: `hash`, `month`, `row`."""
    months = [
        pl.scan_parquet(path).with_row_index("row").with_columns(month=pl.lit(number, pl.UInt32))
        for number, path in enumerate(hashes)
    ]
    empty = pl.LazyFrame(schema={**HASHES, "row": pl.UInt32, "month": pl.UInt32})
    return pl.concat([empty, *months], how="diagonal").unique("hash").collect(engine="streaming")


def share_to_check(known: pl.DataFrame, days: int, recheck_days: int, today: date) -> pl.DataFrame:
    """The regions that were checked longest ago: the share of some days, and all that are overdue.

    Args:
        known: With `hash` and `checked`.
        days: Since the last run.
        recheck_days: In how many days all regions are checked again; 0 if never.
        today: What was checked today is not checked again.
    """
    if not recheck_days:
        return known.clear()
    share = math.ceil(len(known) * min(days / recheck_days, 1))
    overdue = (known.get_column("checked") < today - timedelta(recheck_days)).sum()
    count = max(share, overdue)
    if not count:
        return known.clear()
    return known.filter(pl.col("checked") < today).sort("checked", "hash").head(count)


def with_addresses(wanted: pl.DataFrame, ips: list[Path]) -> pl.DataFrame:
    """The addresses of hashes: `WANTED`, new ones first.

    Args:
        wanted: `hash`, `month`, `row`, `before`.
        ips: The addresses of each month: `IPS`.
    """
    found = [
        rows.with_columns(
            pl.read_parquet(ips[month]).get_column("ip_address").gather(rows.get_column("row"))
        )
        for (month,), rows in wanted.partition_by("month", as_dict=True).items()
    ]
    return pl.concat(
        [pl.DataFrame(schema=WANTED), *(rows.select(WANTED.names()) for rows in found)]
    ).sort(pl.col("before").is_not_null(), "hash")


def region_of_itself(text: str, services: Networks) -> str | None:
    """The region of an address as logged that nobody need be asked for, else None."""
    number = read_number(text)
    return UNKNOWN if number is None else services.label(number)


class Lookup:
    """The addresses of one run, and the answers that come in.

    Attributes:
        moved: Checked regions that are not what they were.
    """

    def __init__(self, wanted: pl.DataFrame, store: RegionCache, today: date) -> None:
        addresses = wanted.get_column("ip_address").to_list()
        self._hashes = dict(zip(addresses, wanted.get_column("hash").to_list(), strict=True))
        self._before = dict(zip(addresses, wanted.get_column("before").to_list(), strict=True))
        self._store = store
        self._today = today
        self.moved = 0

    def keep(self, answers: Mapping[str, str]) -> None:
        """Keep answers at once."""
        self.moved += sum(self._before[text] not in (None, answers[text]) for text in answers)
        self._store.keep(
            pl.DataFrame(
                {
                    "hash": [self._hashes.pop(text) for text in answers],
                    "region": list(answers.values()),
                    "checked": [self._today] * len(answers),
                },
                schema=CACHED_REGIONS,
            )
        )

    def by_services(self, services: Networks) -> None:
        """Find what belongs to a known service, or is no address."""
        found = ((text, region_of_itself(text, services)) for text in self._hashes)
        self.keep({text: region for text, region in found if region is not None})

    def by_provider(self, provider: Provider) -> None:
        """Ask the provider about the rest; what it leaves unanswered stays as it was."""
        for answers in provider.answers(list(self._hashes)):
            self.keep(answers)
        if not provider.may_answer_later:
            self.keep({text: self._before[text] for text in self._hashes if self._before[text]})

    def unanswered(self) -> int:
        """How many addresses without a region are left."""
        return sum(self._before[text] is None for text in self._hashes)


def regions_of(seen: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The regions of the hashes of all months, undetermined if not known: `REGIONS_BY_HASH`.

    Args:
        seen: With `hash`.
        known: `CACHED_REGIONS`, sorted by hash.
    """
    columns = REGIONS_BY_HASH.names()
    found = known.join(seen, on="hash", how="semi", maintain_order="left").select(columns)
    others = seen.join(known, on="hash", how="anti").select("hash", region=pl.lit(UNDETERMINED))
    # To sort costs a second for a million, and mostly there is nothing to put in between.
    return pl.concat([found, others]).sort("hash") if len(others) else found


def main(
    *,
    ips: list[Path],
    hashes: list[Path],
    services: Mapping[str, str],
    provider: Provider,
    cache: Path,
    regions: Path,
    recheck_days: int = 90,
    attempt: int = 1,
    today: date | None = None,
) -> None:
    """Bring the cache of regions up to date and write the regions of all addresses.

    Args:
        ips: The addresses of each month: `IPS`.
        hashes: Their hashes: `HASHES`.
        services: Path or URL of the range document of each known service, by label.
        provider: Who is asked about what belongs to none of them.
        cache: The folder of what is kept: regions, `CACHED_REGIONS`, written after every batch of
            answers; copies of range documents; and what `_attempts` keeps. An undetermined region
            is not kept, so that it is asked for again.
        regions: Where the regions of all hashes go: `REGIONS_BY_HASH`, sorted by hash. Private.
        recheck_days: In how many days all regions are checked again, the oldest share in the first
            run of each day; 0 if never.
        attempt: The number of this run, of `_attempts.next_number`.
        today: In UTC; None for the day it is.

    Raises:
        UserError: The salt is not the one of before, a document cannot be had or read, or the
            provider cannot be asked at all. What was answered before that is kept.
    """
    today = today or datetime.now(UTC).date()
    read_salt(cache)
    store = RegionCache(cache)
    last = last_attempt(cache)

    seen = unique_hashes(hashes)
    known = store.merge()
    new = seen.join(known, on="hash", how="anti").with_columns(region=pl.lit(None, pl.String))
    days = (today - last.day).days if last else 0
    old = share_to_check(known.join(seen, on="hash"), days, recheck_days, today)
    columns = ["hash", "month", "row", pl.col("region").alias("before")]
    wanted = with_addresses(pl.concat([new.select(columns), old.select(columns)]), ips)
    log.info("%d addresses, %d of them new; %d to be checked again", len(seen), len(new), len(old))

    lookup = Lookup(wanted, store, today)
    try:
        if len(wanted):
            lookup.by_services(read_services(find_documents(services, cache, today)))
            lookup.by_provider(provider)
    finally:
        everything = store.merge()
    write_table(regions_of(seen, everything), regions, REGIONS_BY_HASH)
    left = lookup.unanswered()
    keep_attempt(cache, Attempt(attempt, today, left if provider.may_answer_later else 0))
    log.info("%d new regions, %d undetermined; %d moved", len(new) - left, left, lookup.moved)


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            ips=[Path(path) for path in snakemake.input.ips],
            hashes=[Path(path) for path in snakemake.input.hashes],
            services=snakemake.params.services,
            provider=find_provider(
                snakemake.params.provider,
                mmdb=next(map(Path, snakemake.input.mmdb), None),
                max_lookups=snakemake.params.max_lookups,
                url=snakemake.params.ipinfo_url,
            ),
            cache=Path(snakemake.params.cache),
            regions=Path(snakemake.output.regions),
            recheck_days=snakemake.params.recheck_days,
            attempt=snakemake.params.attempt,
        )
