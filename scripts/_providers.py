"""Who knows the region of an address that belongs to no known service.

A provider takes addresses as they were logged and gives its answers batch by batch, so that each
batch can be kept before the next is paid for. What it does not answer is in no batch.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import _web
import ipinfo
import maxminddb
from _addresses import Address, Networks, Number, address_of, parse_address, read_number, unlabelled
from _labels import BOGON, UNKNOWN, in_country
from _log import UserError
from _mmdb import SearchTree
from _progress import Progress, announce
from ipinfo.bogon import BOGON_NETWORKS
from ipinfo.exceptions import RequestQuotaExceededError

log = logging.getLogger(__name__)

TOKEN_VARIABLE = "IPINFO_CREDENTIALS"

_CODE = re.compile("[A-Z]{2}")

Answers = dict[str, str]
"""The region of each address."""


class Provider(Protocol):
    """Who is asked.

    Attributes:
        may_answer_later: Whether it makes sense to ask again about what it left unanswered.
    """

    may_answer_later: bool

    def answers(self, addresses: Sequence[str]) -> Iterator[Answers]:
        """Ask about addresses; those that come first matter most."""


def find_provider(
    name: str, *, mmdb: Path | None, max_lookups: int | None, url: str | None
) -> Provider:
    """The provider of a configuration.

    Args:
        name: `ipinfo`, `mmdb` or `none`.
        mmdb: The database of `mmdb`.
        max_lookups: How many addresses `ipinfo` may be asked about; None if as many as there are.
        url: Where ipinfo is, if not at its own place.
    """
    if name == "ipinfo":
        return Ipinfo(max_lookups, url)
    if name == "mmdb" and mmdb is not None:
        return Database(mmdb)
    return Nobody()


def region_of(record: Any) -> str | None:
    """The region in a record of any of the known schemas; None if it names no country.

    ipinfo: `country_code` (Lite, Core) or `country` (Location and the older ones), and `region`,
    in a `geo` of their own in the newer ones; MaxMind and DB-IP: `country.iso_code` and
    `subdivisions[0].names.en`.
    """
    if not isinstance(record, dict):
        return None
    geo = record.get("geo")
    place = {**geo, **record} if isinstance(geo, dict) else record
    country, name = place.get("country"), place.get("region")
    if isinstance(country, dict):
        country = country.get("iso_code")
    code = next((c for c in (place.get("country_code"), country) if _is_code(c)), None)
    if code is None:
        return None
    return in_country(code, name or _name_of_division(place.get("subdivisions")))


def _name_of_division(divisions: Any) -> Any:
    """The English name of the first of MaxMind's subdivisions, None if there is none."""
    first = divisions[0] if isinstance(divisions, list) and divisions else None
    names = first.get("names") if isinstance(first, dict) else None
    return names.get("en") if isinstance(names, dict) else None


def _is_code(value: Any) -> bool:
    """Whether a value looks like an ISO 3166-1 alpha-2 code."""
    return isinstance(value, str) and _CODE.fullmatch(value) is not None


def not_known(address: Address) -> str:
    """The label of an address that the provider was asked about and does not know."""
    return UNKNOWN if address.is_global else BOGON


class Nobody:
    """The provider of those who have none: nothing is ever answered."""

    may_answer_later = False

    def answers(self, addresses: Sequence[str]) -> Iterator[Answers]:
        """Nothing, whatever the addresses."""
        return iter(())


class Database:
    """A database of regions in MMDB form, from ipinfo, MaxMind or DB-IP."""

    may_answer_later = True
    BATCH = 100_000
    SAMPLE = 10_000
    """Records that are looked at to tell what a database knows."""

    def __init__(self, path: Path) -> None:
        """Open the database.

        Raises:
            UserError: It is none, or none of places.
        """
        self._path = path
        self._regions: dict[int, str | None] = {}
        """The region in each record that has been read."""
        try:
            self._reader = maxminddb.open_database(path, maxminddb.MODE_AUTO)
            self._tree = SearchTree(path, self._reader.metadata())
            self._look_into()
        except (maxminddb.InvalidDatabaseError, OSError, ValueError) as error:
            # Not the message: one of a look-up has the address in it.
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> UserError:
        return UserError(
            f"{self._path} is no MMDB database, or a damaged one ({type(error).__name__}). "
            "Fetch it again."
        )

    def _look_into(self) -> None:
        kind = self._reader.metadata().database_type
        records = (record for _, record in itertools.islice(self._reader, self.SAMPLE))
        found = [region_of(record) for record in records]
        if not any(found):
            raise UserError(
                f"{self._path} ({kind}) says of no address in which country it is. Set "
                "regions.mmdb to a database of locations, such as ipinfo's Location or Core, "
                "MaxMind's GeoLite2 City or DB-IP's City."
            )
        if not any("/" in region for region in found if region):
            log.warning(
                "%s (%s) knows countries but no regions, so that addresses go by their country "
                "alone. ipinfo's Location and Core, MaxMind's GeoLite2 City and DB-IP's City know "
                "regions.",
                self._path,
                kind,
            )

    def answers(self, addresses: Sequence[str]) -> Iterator[Answers]:
        """The regions of all addresses: `US/California`, or what `not_known` says."""
        numbers = ((read_number(text), text) for text in addresses)
        in_order = sorted((number.bits, number.version, text) for number, text in numbers)
        with Progress(self._path.name, len(in_order)) as progress:
            for batch in batches(in_order, self.BATCH):
                try:
                    yield self._regions_of(batch)
                except (maxminddb.InvalidDatabaseError, ValueError) as error:
                    raise self._damaged(error) from None
                progress.step(len(batch))

    def _regions_of(self, batch: Sequence[tuple[int, int, str]]) -> Answers:
        """The regions of a batch of addresses: bits, version and text each, in order."""
        held = [entry for entry in batch if self._tree.bits == 128 or entry[1] == 4]
        records = self._tree.records([bits for bits, _, _ in held])
        known = self._regions
        for record, (bits, version, _) in dict(zip(records, held, strict=True)).items():
            if record not in known:
                known[record] = region_of(self._reader.get(address_of(Number(version, bits))))
        found = {text: known[record] for record, (_, _, text) in zip(records, held, strict=True)}
        lacking = [text for _, _, text in batch if found.get(text) is None]
        return found | {text: not_known(parse_address(text)) for text in lacking}


class Ipinfo:
    """The service of ipinfo, asked in batches."""

    may_answer_later = True
    BATCH = 1_000
    """Addresses in a request; the service takes no more."""
    TIMEOUT = 60
    """Seconds for a batch."""

    def __init__(self, limit: int | None = None, url: str | None = None) -> None:
        """Ask about up to `limit` addresses.

        Args:
            limit: None if there is none.
            url: Where the service is, if not at its own place.
        """
        self._limit = limit
        if url:
            ipinfo.handler.API_URL = url.rstrip("/")

    def answers(self, addresses: Sequence[str]) -> Iterator[Answers]:
        """The regions of those addresses that the service answers.

        It answers no more in this run once its quota is used up or it goes on failing.

        Raises:
            UserError: There is no token, or the service refuses it.
        """
        sent = {text: str(address_of(read_number(text))) for text in addresses}
        local = local_addresses(sent)
        yield dict.fromkeys(local, BOGON)
        asked = [text for text in sent if text not in local]
        planned = asked[: self._limit]
        if not asked:
            return
        announce(
            log,
            "ipinfo: %s addresses to be looked up%s.",
            f"{len(planned):,}",
            f", {len(asked) - len(planned):,} left for later runs by regions.max_lookups"
            if len(planned) < len(asked)
            else "",
        )
        if planned:
            yield from self._in_batches(planned, sent)

    def _in_batches(self, planned: Sequence[str], sent: Mapping[str, str]) -> Iterator[Answers]:
        handler = ipinfo.getHandler(read_token())
        schema = SchemaWatch()
        answered = 0
        with Progress("ipinfo", len(planned)) as progress:
            for batch in batches(planned, self.BATCH):
                try:
                    replies = self._ask(handler, [sent[text] for text in batch])
                except _web.NoAnswerError as failure:
                    log.warning(
                        "ipinfo does not answer any more (%s). What it answered is kept, %d "
                        "addresses are asked about again in the next run.",
                        failure,
                        len(planned) - answered,
                    )
                    return
                found = {
                    text: region_of(replies[sent[text]]) or not_known(parse_address(text))
                    for text in batch
                    if sent[text] in replies
                }
                answered += len(found)
                schema.look_at(found.values())
                yield found
                progress.step(len(batch))
        schema.end()
        if answered < len(planned):
            log.warning(
                "ipinfo left %d addresses unanswered. They are asked about again in the next run.",
                len(planned) - answered,
            )

    def _ask(self, handler: ipinfo.Handler, batch: list[str]) -> dict[str, dict[str, Any]]:
        """The service's record of each address of a batch that it has one for.

        Raises:
            NoAnswerError: It has none for any.
            UserError: It refuses the token.
        """
        for tried in range(1, _web.TRIES + 1):
            try:
                replies = handler.getBatchDetails(
                    batch, batch_size=self.BATCH, timeout_per_batch=self.TIMEOUT
                )
                records = records_of(batch, replies)
            except RequestQuotaExceededError:
                failure = _web.NoAnswerError("HTTP 429, its quota is used up", 429)
            except Exception as error:
                failure = _web.no_answer(error)
            else:
                if records:
                    return records
                failure = _web.NoAnswerError("answers without records")
            if failure.status in (401, 403):
                raise UserError(
                    f"ipinfo refuses the token ({failure}). Set {TOKEN_VARIABLE} to a valid one, "
                    "or regions.provider to none until there is one. What was looked up is kept."
                )
            if tried == _web.TRIES or not _web.passes(failure):
                break
            _web.pause(tried)
        raise failure


def read_token() -> str:
    """The token of ipinfo, from the environment alone.

    Raises:
        UserError: There is none.
    """
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        raise UserError(
            f"regions.provider is ipinfo, but {TOKEN_VARIABLE} is not set. Set it to the token of "
            "your account at ipinfo."
        )
    return token


def records_of(batch: Iterable[str], replies: Any) -> dict[str, dict[str, Any]]:
    """The records among the replies to a batch; an error in place of a record is none."""
    found = ((address, replies.get(address)) for address in batch)
    return {
        address: reply
        for address, reply in found
        if isinstance(reply, dict) and "error" not in reply
    }


def local_addresses(sent: Mapping[str, str]) -> set[str]:
    """The addresses that are in no public network, so that nobody need be asked about them.

    They are those of Python and those that ipinfo's own client answers by itself.
    """
    networks = Networks(unlabelled(map(str, BOGON_NETWORKS)))
    return {
        text
        for text, address in sent.items()
        if address in networks or not parse_address(address).is_global
    }


class SchemaWatch:
    """Says so once if answers hold countries but never a region."""

    ENOUGH = 100
    """Answers with a country, none with a region, that tell a plan without regions."""

    def __init__(self) -> None:
        self._countries = self._regions = 0
        self._said = False

    def look_at(self, regions: Iterable[str]) -> None:
        """Count the answers of a batch."""
        for region in regions:
            self._regions += "/" in region
            self._countries += _is_code(region)
        if self._countries >= self.ENOUGH:
            self.end()

    def end(self) -> None:
        """Say it if no answer had a region."""
        if self._countries and not self._regions and not self._said:
            self._said = True
            log.warning(
                "ipinfo answers with countries but no regions, so that addresses go by their "
                "country alone. Is the token of a Lite plan? The plans from Core on know regions."
            )


def batches(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Slices of up to `size` items."""
    return (items[start : start + size] for start in range(0, len(items), size))
