"""IP addresses and CIDR blocks, IPv4 and IPv6."""

from __future__ import annotations

import ipaddress
import socket
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Number(NamedTuple):
    """An address as a number: `version` 4 or 6, and its bits."""

    version: int
    bits: int


def read_number(text: str) -> Number | None:
    """The address that `text` writes, or None if it writes none (`-` for example).

    What counts as an address is what `ipaddress.ip_address` takes. The C library knows nearly all
    of them ten times as fast; what it does not take (IPv6 with a zone) is left to Python.
    """
    version, family = (6, socket.AF_INET6) if ":" in text else (4, socket.AF_INET)
    try:
        return Number(version, int.from_bytes(socket.inet_pton(family, text), "big"))
    except (OSError, ValueError):
        address = parse_address(text)
        return address and Number(address.version, int(address))


def parse_address(text: str) -> Address | None:
    """The same as an object of `ipaddress`."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def address_of(number: Number) -> Address:
    """The object of `ipaddress` for a number, without a zone."""
    kind = ipaddress.IPv4Address if number.version == 4 else ipaddress.IPv6Address
    return kind(number.bits)


class Networks:
    """CIDR blocks with a label each; of the blocks around an address the longest prefix wins.

    They are flattened once to intervals that do not overlap, so that a look-up is one binary
    search, however many blocks there are and however they are nested.
    """

    def __init__(self, labelled: Iterable[tuple[str, str]] = ()) -> None:
        """Take (block or address, label) pairs; of equal blocks the first keeps its label.

        Raises:
            ValueError: Something is neither an address nor a CIDR block. Host bits may be set.
        """
        blocks: dict[int, dict[tuple[int, int], str]] = {4: {}, 6: {}}
        for text, label in labelled:
            network = ipaddress.ip_network(text, strict=False)
            # Sorted by these keys, a block stands before those within it.
            key = int(network.network_address), -int(network.broadcast_address)
            blocks[network.version].setdefault(key, label)
        self._flat = {
            version: flatten((start, -end, label) for (start, end), label in sorted(keyed.items()))
            for version, keyed in blocks.items()
        }

    def __bool__(self) -> bool:
        return any(len(starts) > 1 for starts, _ in self._flat.values())

    def label(self, number: Number) -> str | None:
        """The label of the smallest block around an address, or None."""
        starts, labels = self._flat[number.version]
        return labels[bisect_right(starts, number.bits) - 1]

    def __contains__(self, text: str) -> bool:
        number = read_number(text)
        return number is not None and self.label(number) is not None


def flatten(
    blocks: Iterable[tuple[int, int, str]],
) -> tuple[list[int], list[str | None]]:
    """Cut nested intervals into ones that do not overlap, the inner ones in front.

    Args:
        blocks: First number, last number, label; each within another or apart from it, as CIDR
            blocks are, and an outer one before those within it.

    Returns:
        Where each interval starts, from 0, and its label, None between blocks.
    """
    starts, labels = [0], [None]
    around: list[tuple[int, str | None]] = [(-1, None)]  # (last number, label), outermost first

    def begin(start: int, label: str | None) -> None:
        if starts[-1] == start:
            labels[-1] = label
        else:
            starts.append(start)
            labels.append(label)

    def leave(before: int | None = None) -> None:
        while len(around) > 1 and (before is None or around[-1][0] < before):
            end, _ = around.pop()
            begin(end + 1, around[-1][1])

    for start, end, label in blocks:
        leave(before=start)
        begin(start, label)
        around.append((end, label))
    leave()
    return starts, labels


def unlabelled(blocks: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Blocks whose label does not matter."""
    return ((block, "") for block in blocks)
