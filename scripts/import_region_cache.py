"""Take over the regions that the predecessor of this workflow has looked up.

    snakemake bin_all
    .venv/bin/python scripts/import_region_cache.py ip_hash_to_region.yaml

The other cache, `ip_hash_not_in_services.yaml`, may be named as well. The predecessor keeps
keyed hash. Neither leads back to the address, so the addresses are taken from the binned months:
each is hashed in both ways. Addresses that no month has are not taken over.

What is taken over are places, `US/California` or `US`, which only a provider can say. Labels of
services are not, nor is `unknown`: services are matched anew, and the predecessor wrote `unknown`
when its quota was used up, too. A region that this workflow has looked up itself stays.
"""

import argparse
import hashlib
import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import yaml
from _addresses import Networks, read_number
from _attempts import keep_attempt, last_attempt
from _config import found, is_url
from _hashes import SALT_VARIABLE, hash_address, read_salt
from _labels import in_country
from _log import UserError
from _region_cache import RegionCache
from _services import find_documents, read_services
from _tables import CACHED_REGIONS
from hash_salt import hash_salt

WORKFLOW = Path(__file__).resolve().parent.parent
PLACE = re.compile("[A-Z]{2}(/.+)?", re.DOTALL)
NO_NAME = "/None"


class Taken(NamedTuple):
    """What became of a predecessor's regions.

    Attributes:
        addresses: Of the binned months.
        known: Of these, whose region was known here already.
        services: Of the others, that belong to a known service.
        regions: Of the others, taken over.
    """

    addresses: int
    known: int
    services: int
    regions: int


def read_regions(paths: Iterable[Path]) -> dict[str, str]:
    """The places in caches of the predecessor, by their hash.

    One cache holds the region of each hash; the other, of hashes that belong to no service, holds
    `true`, so nothing to take.

    Raises:
        UserError: A file is no YAML, or holds something else.
    """
    regions: dict[str, str] = {}
    for path in paths:
        regions |= {
            key: in_country(*value.partition("/")[::2])
            for key, value in _read(path).items()
            if is_place(value)
        }
    return regions


def _read(path: Path) -> Mapping[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=loader) or {}
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise UserError(f"{path}: this is no YAML.") from None
    digits = re.compile("[0-9a-f]{40}")
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and digits.fullmatch(key) for key in content
    ):
        raise UserError(f"{path}: this is no cache of the predecessor, `SHA-1: region` a line.")
    return content


def is_place(value: Any) -> bool:
    """Whether a region of the predecessor is one that a provider said."""
    return isinstance(value, str) and bool(PLACE.fullmatch(value)) and not value.endswith(NO_NAME)


def old_hash(address: str, salt: bytes) -> str:
    """The key of an address in the predecessor's caches."""
    return hashlib.sha1(address.encode() + salt).hexdigest()


def read_old_salt(text: str) -> bytes:
    """The predecessor's salt from its hexadecimal digits.

    Raises:
        UserError: It is none.
    """
    if not re.fullmatch("[0-9a-fA-F]{40}", text):
        raise UserError(
            f"The predecessor's salt is needed, 40 hexadecimal digits: name the raw logs with "
            f"--raw-logs, or set {SALT_VARIABLE} to what scripts/hash_salt.py prints."
        )
    return bytes.fromhex(text)


def read_addresses(binned: Path) -> list[str]:
    """The addresses of all binned months, once each.

    Raises:
        UserError: There are no binned months.
    """
    months = sorted(binned.glob("*.ips.parquet"))
    if not months:
        raise UserError(f"There are no months in {binned}. Run `snakemake bin_all` first.")
    return pl.scan_parquet(months).unique().collect().get_column("ip_address").to_list()


def take_over(
    regions: Mapping[str, str],
    salt: bytes,
    *,
    addresses: Iterable[str],
    services: Networks,
    cache: Path,
    today: date,
) -> Taken:
    """Bring a predecessor's regions into the cache.

    Args:
        regions: Its places by its hashes.
        salt: Its salt.
        addresses: Whose regions are wanted, as logged.
        services: The ranges of known services, whose addresses are not taken over.
        cache: The folder of the cache.
        today: From when on the regions count as checked.

    Raises:
        UserError: The salt of this workflow is not the one that the cache was made with.
    """
    key = read_salt(cache)
    store = RegionCache(cache)
    known = set(store.merge().get_column("hash"))
    hashes = {hash_address(key, text): text for text in addresses}
    others = {hashed: text for hashed, text in hashes.items() if hashed not in known}
    free = {hashed: text for hashed, text in others.items() if not _in_services(text, services)}
    rows = [
        (hashed, regions[old])
        for hashed, text in free.items()
        if (old := old_hash(text, salt)) in regions
    ]
    store.keep(
        pl.DataFrame(
            [(hashed, region, today) for hashed, region in rows], CACHED_REGIONS, orient="row"
        )
    )
    store.merge()
    if rows and (last := last_attempt(cache)):
        # By which Snakemake knows that `locate` must run again.
        keep_attempt(cache, last._replace(waiting=last.waiting or len(rows)))
    return Taken(len(hashes), len(hashes) - len(others), len(others) - len(free), len(rows))


def _in_services(text: str, services: Networks) -> bool:
    number = read_number(text)
    return number is None or services.label(number) is not None


def main(arguments: list[str] | None = None) -> None:
    """Take over what the command line names, and say what became of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("caches", nargs="+", type=Path, help="the predecessor's YAML files")
    parser.add_argument("--configfile", type=Path, default=Path("config/config.yaml"))
    parser.add_argument(
        "--raw-logs", type=Path, help=f"to find its salt in, if it is not in {SALT_VARIABLE}"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    try:
        taken = _take_over(options)
    except UserError as error:
        sys.exit(str(error))
    print(
        f"{taken.addresses:,} addresses in all months: {taken.known:,} were known, "
        f"{taken.services:,} belong to known services, {taken.regions:,} regions taken over, "
        f"{taken.addresses - taken.known - taken.services - taken.regions:,} are still to be "
        "looked up."
    )


def _take_over(options: argparse.Namespace) -> Taken:
    try:
        config = yaml.safe_load(options.configfile.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise UserError(f"{options.configfile} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise UserError(f"{options.configfile}: this is no YAML.") from None
    text = (
        hash_salt(options.raw_logs) if options.raw_logs else os.environ.get(SALT_VARIABLE, "")
    ).strip()
    salt = read_old_salt(text)
    regions = read_regions(options.caches)
    today = datetime.now(UTC).date()
    cache = Path(config.get("cache", "cache"))
    sources = {
        label: source if is_url(source) else str(found(source, WORKFLOW))
        for label, source in config.get("regions", {}).get("services", {}).items()
    }
    return take_over(
        regions,
        salt,
        addresses=read_addresses(Path(config.get("results", "results")) / "binned"),
        services=read_services(find_documents(sources, cache, today)),
        cache=cache,
        today=today,
    )


if __name__ == "__main__":
    main()
