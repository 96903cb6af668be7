"""The published address ranges of known services."""

from __future__ import annotations

import ipaddress
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from _addresses import Networks
from _config import is_url
from _files import keep_private, replacing, write_json
from _labels import plain
from _log import UserError
from _web import NoAnswerError, get

log = logging.getLogger(__name__)

WITH_PLACES = ("AWS", "GCP")
"""The services whose ranges say where they stand. Of equal ranges theirs go first."""


def find_documents(services: Mapping[str, str], cache: Path, today: date) -> dict[str, Path]:
    """The document of each service as a file: its own, or a copy of what its URL gives.

    Args:
        services: Path or URL by label.
        cache: The folder in which `services/` keeps the copies.
        today: A copy of this day is not fetched again.

    Raises:
        UserError: A document cannot be fetched, and was not before.
    """
    return {
        label: fetch(label, source, cache / "services", today) if is_url(source) else Path(source)
        for label, source in services.items()
    }


def fetch(label: str, url: str, folder: Path, today: date) -> Path:
    """The copy of a document, fetched anew if it is not of today.

    The last good copy stays in use when the service does not answer, or answers with something
    that is no range document.
    """
    copy, about = folder / label, folder / f"{label}.json"
    kept = _read_about(about) if copy.exists() else {}
    if kept.get("url") != url:
        kept = {}
    if kept.get("fetched") == today.isoformat():
        return copy
    try:
        _fetch_anew(label, url, keep_private(folder) / label)
    except (NoAnswerError, UserError) as error:
        reason = str(error) if isinstance(error, NoAnswerError) else "no range document"
        if not kept:
            raise UserError(
                f"The ranges of {label} cannot be fetched from {_bare(url)} ({reason}), and there "
                f"is no earlier copy. Run again later, or set regions.services.{label} to a file."
            ) from None
        log.warning(
            "The ranges of %s cannot be fetched from %s (%s): the copy of %s is used.",
            label,
            _bare(url),
            reason,
            kept["fetched"],
        )
    else:
        write_json(about, {"url": url, "fetched": today.isoformat()})
        log.info("%s: ranges fetched", label)
    return copy


def _read_about(path: Path) -> dict[str, str]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _fetch_anew(label: str, url: str, copy: Path) -> None:
    content = get(url).content
    with replacing(copy) as beside:
        beside.write_bytes(content)
        read_ranges(label, beside)


def _bare(url: str) -> str:
    """A URL without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def read_services(documents: Mapping[str, Path]) -> Networks:
    """All ranges of all services, with the region label of each.

    Args:
        documents: The document of each service by its label. Of equal ranges those of AWS count,
            then those of GCP, then the first here.

    Raises:
        UserError: A document is of no known shape.
    """
    first = [label for label in WITH_PLACES if label in documents]
    labels = [*first, *(label for label in documents if label not in first)]
    return Networks(pair for label in labels for pair in read_ranges(label, documents[label]))


def read_ranges(label: str, path: Path) -> list[tuple[str, str]]:
    """The (CIDR block, region label) pairs of a document, in one of the shapes that services use.

    AWS: `prefixes` with `ip_prefix` and `region`, and `ipv6_prefixes`; Google Cloud: `prefixes`
    with `ipv4Prefix` or `ipv6Prefix`, and `scope`; GitHub: lists of CIDR blocks by name, among
    lists of other things; a JSON list of CIDR blocks; or a block a line, `#` beginning a comment.

    Raises:
        UserError: It is of another shape, or has no range.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path}: this is no text, so no range document.") from None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and "prefixes" in document:
        ranges = _ranges_of_cloud(label, document, path)
    elif isinstance(document, dict | list):
        lists = document.values() if isinstance(document, dict) else [document]
        ranges = [(block, label) for block in _blocks_in(lists)]
    else:
        ranges = [(block, label) for block in _block_a_line(text, path)]
    if not ranges:
        raise UserError(
            f"{path}: there is no address range in this. Is it the document of {label}?"
        )
    return ranges


def _ranges_of_cloud(label: str, document: Mapping[str, Any], path: Path) -> list[tuple[str, str]]:
    lists = [document["prefixes"], document.get("ipv6_prefixes", [])]
    if not all(isinstance(entries, list) for entries in lists):
        raise UserError(f"{path}: `prefixes` or `ipv6_prefixes` is no list of ranges.")
    entries = [entry for entries in lists for entry in entries]
    # The same block may stand for a region and for GLOBAL; the region says more.
    entries.sort(key=lambda entry: isinstance(entry, dict) and entry.get("region") == "GLOBAL")
    return [_range_of(label, entry, path) for entry in entries]


def _range_of(label: str, entry: Any, path: Path) -> tuple[str, str]:
    names = ("ip_prefix", "ipv6_prefix", "ipv4Prefix", "ipv6Prefix")
    fields = entry if isinstance(entry, dict) else {}
    block = next((fields[name] for name in names if name in fields), None)
    if not is_block(block):
        raise UserError(f"{path}: an entry of `prefixes` names no address range.")
    place = plain(fields.get("region")) or plain(fields.get("scope"))
    return block, f"{label}/{place}" if place and label in WITH_PLACES else label


def _blocks_in(lists: Iterable[Any]) -> Iterator[str]:
    """The CIDR blocks among lists of all sorts of things."""
    for value in lists:
        yield from (item for item in (value if isinstance(value, list) else ()) if is_block(item))


def _block_a_line(text: str, path: Path) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), start=1):
        block = line.split("#")[0].strip()
        if block and not is_block(block):
            raise UserError(f"{path}, line {number}: this is no CIDR block.")
        if block:
            yield block


def is_block(value: Any) -> bool:
    """Whether this is the text of an address or a CIDR block."""
    try:
        ipaddress.ip_network(value if isinstance(value, str) else "", strict=False)
    except ValueError:
        return False
    return True
