"""The configuration beyond what its schema can say."""

from __future__ import annotations

import functools
import hashlib
import hmac
import ipaddress
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from _log import UserError
from _object_store import address, check_plugin, is_object_store

Config = dict[str, Any]


def found(name: str, base: Path) -> Path:
    """Where a file or folder named in the configuration is.

    Names are relative to the working directory; what is not there, as in a run in another
    `--directory` on the bundled example, is looked for in the workflow's own folder.
    """
    path = Path(name)
    if path.is_absolute() or path.exists() or not (base / path).exists():
        return path
    return base / path


def is_url(source: str) -> bool:
    """Whether this is on the web, not in a file."""
    return source.startswith(("https://", "http://"))


def check(config: Config, base: Path, *, lists_dandisets: bool = True) -> None:
    """Refuse a configuration that cannot work, before any job starts.

    Args:
        config: Valid by the schema, with its defaults filled in.
        base: The workflow's own folder.
        lists_dandisets: Whether the run needs a listing; to reduce and to bin, none is needed.

    Raises:
        UserError: All that is wrong with it, a line each.
    """
    problems = list(_problems(config, base))
    dandi = config["dandi"]
    if lists_dandisets and dandi["source"] == "snapshot" and "snapshot" not in dandi:
        problems.append(
            "dandi.snapshot is missing: without a snapshot no request can be given to a Dandiset. "
            "Name one, set dandi.source to api, or ask for reduce_all or bin_all alone."
        )
    if problems:
        raise UserError("The configuration cannot work:\n" + "\n".join(f"- {p}" for p in problems))


def _problems(config: Config, base: Path) -> Iterator[str]:
    if is_object_store(config["raw_logs"]):
        yield from _object_store_problems(config["raw_logs"])
    elif not found(config["raw_logs"], base).is_dir():
        yield f"raw_logs: there is no folder {config['raw_logs']}."
    for block in config["exclude"]["ips"]:
        try:
            ipaddress.ip_network(block, strict=False)
        except ValueError:
            yield f"exclude.ips: {block} is neither an IP address nor a CIDR block."
    if config["exclude"]["dandisets"] and config["restrict_to_dandisets"]:
        yield (
            "exclude.dandisets and restrict_to_dandisets are both set. They exclude each other: "
            "leave one of them empty."
        )
    yield from _dandi_problems(config["dandi"], base)
    yield from _region_problems(config["regions"], base)


def _object_store_problems(raw_logs: str) -> Iterator[str]:
    try:
        address(raw_logs)
        check_plugin()
    except UserError as error:
        yield str(error)


def _dandi_problems(dandi: Config, base: Path) -> Iterator[str]:
    if dandi["source"] == "api":
        if "@" in dandi["api_url"] or "?" in dandi["api_url"] or "#" in dandi["api_url"]:
            yield "dandi.api_url must be a plain base URL, without user, password, ? and #."
    elif "snapshot" in dandi and not found(dandi["snapshot"], base).is_file():
        yield f"dandi.snapshot: there is no file {dandi['snapshot']}."


def _region_problems(regions: Config, base: Path) -> Iterator[str]:
    if regions["provider"] == "mmdb" and "mmdb" not in regions:
        yield "regions.mmdb is missing: regions.provider mmdb needs the path of a database."
    elif regions["provider"] == "mmdb" and not found(regions["mmdb"], base).is_file():
        yield f"regions.mmdb: there is no file {regions['mmdb']}."
    for label, source in regions["services"].items():
        if not is_url(source) and not found(source, base).is_file():
            yield f"regions.services.{label}: there is no file {source}, and this is no URL."


def excluded_years(config: Config) -> frozenset[int]:
    """The years whose days are left out."""
    return frozenset(config["exclude"]["years"])


def selects(config: Config, dandiset: str) -> bool:
    """Whether this run makes or refreshes the folder of a Dandiset below `mapped/`."""
    if dandiset == "undetermined":
        return True
    chosen = config["restrict_to_dandisets"]
    return dandiset in chosen if chosen else dandiset not in config["exclude"]["dandisets"]


def config_digest(config: Config) -> str:
    """SHA-256 of what in a configuration decides on the figures, its defaults filled in.

    Where files are, and how the archive is asked, does not count: the same input at another place
    gives the same digest. Of `dandi` nothing does, for the listing has a digest of its own. Of the
    excluded addresses only their number does: the digest is published, and whoever has it could try
    all addresses.
    """
    counts = {
        key: value
        for key, value in config.items()
        if key not in {"raw_logs", "storage", "results", "cache", "dandi", "status", "publish"}
    }
    regions = {key: value for key, value in config["regions"].items() if key != "mmdb"}
    counts["regions"] = {**regions, "services": list(regions["services"])}
    counts["exclude"] = {**config["exclude"], "ips": len(config["exclude"]["ips"])}
    text = json.dumps(counts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def exclusion_token(ips: Sequence[str], key: Path) -> str:
    """A text that changes when the excluded addresses do, and does not tell them.

    Snakemake records the parameters of a job and shows on the terminal how they changed.

    Args:
        ips: Addresses and CIDR blocks, in any order.
        key: A private file without which nobody can try all addresses; made by the first run.
    """
    try:
        secret = key.read_bytes()
    except FileNotFoundError:
        return "not known before the first run"
    return _token(tuple(ips), secret)


@functools.cache
def _token(ips: tuple[str, ...], secret: bytes) -> str:
    """Kept, for it is asked for each day: there may be thousands of either."""
    return hmac.digest(secret, "\n".join(sorted(ips)).encode(), "sha256").hex()[:16]
