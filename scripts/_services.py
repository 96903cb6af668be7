"""The published address ranges of known services."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from _addresses import Networks
from _log import UserError


def read_services(documents: Mapping[str, Path]) -> Networks:
    """All ranges of all services, with the region label of each.

    Args:
        documents: The document of each service by its label. Of equal ranges the first counts.

    Raises:
        UserError: A document is of no known shape, or a range in it is none.
    """
    try:
        return Networks(
            pair for label, path in documents.items() for pair in read_ranges(label, path)
        )
    except ValueError as error:
        raise UserError(f"One of {', '.join(map(str, documents.values()))}: {error}.") from None


def read_ranges(label: str, path: Path) -> list[tuple[str, str]]:
    """The (CIDR block, region label) pairs of a document, in one of the shapes that services use.

    AWS: `prefixes` with `ip_prefix` and `region`; Google Cloud: `prefixes` with `scope`; GitHub:
    lists of CIDR blocks by name, among other things; or a block a line, `#` beginning a comment.
    """
    text = path.read_text(encoding="utf-8")
    try:
        document = json.loads(text)
    except json.JSONDecodeError:
        lines = (line.split("#")[0].strip() for line in text.splitlines())
        return [(line, label) for line in lines if line]
    if not isinstance(document, dict):
        raise UserError(f"{path}: neither a known range document nor a CIDR block a line.")
    if "prefixes" in document:
        entries = [*document["prefixes"], *document.get("ipv6_prefixes", ())]
        # The same block may stand for a region and for GLOBAL; the region says more.
        entries.sort(key=lambda entry: entry.get("region") == "GLOBAL")
        return [_range_of(label, entry, path) for entry in entries]
    return [(block, label) for block in _blocks_in(document.values())]


def _range_of(label: str, entry: Mapping[str, Any], path: Path) -> tuple[str, str]:
    blocks = ("ip_prefix", "ipv6_prefix", "ipv4Prefix", "ipv6Prefix")
    block = next((entry[name] for name in blocks if name in entry), None)
    place = entry.get("region") or entry.get("scope")
    if block is None:
        raise UserError(f"{path}: an entry of `prefixes` names no address range.")
    return block, f"{label}/{place}" if place else label


def _blocks_in(values: Iterable[Any]) -> Iterator[str]:
    """The CIDR blocks among lists of all sorts of things."""
    for value in values:
        for item in value if isinstance(value, list) else ():
            if isinstance(item, str) and "/" in item and _is_block(item):
                yield item


def _is_block(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True
