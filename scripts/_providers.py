"""Who knows the region of an address that belongs to no known service."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import maxminddb
from _addresses import Address
from _log import UserError

UNDETERMINED = "undetermined"
UNKNOWN = "unknown"
BOGON = "bogon"


class Database:
    """A database of regions in MMDB form, from ipinfo, MaxMind or DB-IP."""

    def __init__(self, path: Path) -> None:
        """Open the database.

        Raises:
            UserError: It is none.
        """
        try:
            self._reader = maxminddb.open_database(path, maxminddb.MODE_AUTO)
        except (maxminddb.InvalidDatabaseError, OSError) as error:
            raise UserError(f"{path} is no MMDB database: {error}") from None
        self._holds_ipv6 = self._reader.metadata().ip_version == 6

    def region(self, address: Address) -> str | None:
        """`US/California`, `US` if only the country is known, None if nothing is."""
        if address.version == 6 and not self._holds_ipv6:
            return None
        record = self._reader.get(address)
        return region_of(record) if isinstance(record, Mapping) else None


def region_of(record: Mapping[str, Any]) -> str | None:
    """The region in a record of any of the known schemas.

    ipinfo: `country` or `country_code` and `region`, in a `geo` of their own in newer ones; MaxMind
    and DB-IP: `country.iso_code` and `subdivisions[0].names.en`.
    """
    geo = record.get("geo")
    place = {**geo, **record} if isinstance(geo, Mapping) else record
    country = place.get("country_code") or place.get("country")
    if isinstance(country, Mapping):
        country = country.get("iso_code")
        divisions = place.get("subdivisions") or [{}]
        name = divisions[0].get("names", {}).get("en")
    else:
        name = place.get("region")
    if not isinstance(country, str) or len(country) != 2:
        return None
    return f"{country}/{name}" if isinstance(name, str) and name else country


class Nobody:
    """The provider of those who have none: every address stays undetermined."""

    def region(self, address: Address) -> str | None:
        """Undetermined, whatever the address."""
        return UNDETERMINED
