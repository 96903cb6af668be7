"""IP addresses and CIDR blocks, IPv4 and IPv6."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_address(text: str) -> Address | None:
    """The address that `text` writes, or None if it writes none (`-` for example)."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


class Networks:
    """CIDR blocks with a label each; of the blocks around an address the longest prefix wins.

    One table per prefix length, so that a look-up costs the number of lengths that occur, however
    many blocks there are.
    """

    def __init__(self, labelled: Iterable[tuple[str, str]] = ()) -> None:
        """Take (block or address, label) pairs; of equal blocks the first keeps its label.

        Raises:
            ValueError: Something is neither an address nor a CIDR block. Host bits may be set.
        """
        tables: dict[int, dict[int, dict[int, str]]] = {4: {}, 6: {}}
        for text, label in labelled:
            network = ipaddress.ip_network(text, strict=False)
            shift = network.max_prefixlen - network.prefixlen
            table = tables[network.version].setdefault(shift, {})
            table.setdefault(int(network.network_address) >> shift, label)
        self._tables = {version: sorted(by_shift.items()) for version, by_shift in tables.items()}

    def __bool__(self) -> bool:
        return any(self._tables.values())

    def label(self, address: Address) -> str | None:
        """The label of the smallest block around `address`, or None."""
        number = int(address)
        for shift, table in self._tables[address.version]:
            label = table.get(number >> shift)
            if label is not None:
                return label
        return None

    def __contains__(self, text: str) -> bool:
        address = parse_address(text)
        return address is not None and self.label(address) is not None


def unlabelled(blocks: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Blocks whose label does not matter."""
    return ((block, "") for block in blocks)
