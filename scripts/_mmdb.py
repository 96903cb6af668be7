"""Which record of a database in MMDB form belongs to an address, without reading the record.

Millions of networks share some ten thousand records, and to read one takes several times as long as
to find it: a record of MaxMind's City has names in eight languages. So it is read once.

The form is that of https://maxmind.github.io/MaxMind-DB/: a binary tree over the bits of an
address, of two numbers a node. One below the number of nodes is the next node; that number itself
stands for no record; a greater one says where the record is.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from pathlib import Path

from maxminddb import InvalidDatabaseError
from maxminddb.reader import Metadata


class SearchTree:
    """The tree of a database, whose file has been opened, and so checked, by `maxminddb`.

    Attributes:
        bits: Of an address, 32 or 128. In a tree of 128 an IPv4 address is the IPv6 one of the same
            number.
    """

    def __init__(self, path: Path, metadata: Metadata) -> None:
        with path.open("rb") as file:
            self._content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.bits = 128 if metadata.ip_version == 6 else 32
        self._nodes = metadata.node_count
        self._child = {24: self._child_of_24, 28: self._child_of_28, 32: self._child_of_32}[
            metadata.record_size
        ]

    def records(self, addresses: Sequence[int]) -> list[int]:
        """Where the record of each address stands: the same number for the same record.

        Args:
            addresses: In order. Neighbours share most of their way through the tree, which is gone
                once.

        Raises:
            InvalidDatabaseError: The tree is damaged.
        """
        if not addresses:
            return []
        bits, nodes, child = self.bits, self._nodes, self._child
        way = [0] * (bits + 1)  # the node after so many bits of the last address
        length = 1
        last = addresses[0] ^ 1 << bits - 1
        found = []
        for address in addresses:
            depth = bits - (address ^ last).bit_length()
            if depth < length:
                node = way[depth]
                while node < nodes:
                    if depth == bits:
                        raise InvalidDatabaseError("The search tree does not end.")
                    depth += 1
                    node = way[depth] = child(node, address >> bits - depth & 1)
                length = depth
            found.append(way[length])
            last = address
        return found

    def _child_of_24(self, node: int, bit: int) -> int:
        start = node * 6 + bit * 3
        return int.from_bytes(self._content[start : start + 3], "big")

    def _child_of_28(self, node: int, bit: int) -> int:
        # The middle one of seven bytes holds the highest four bits of either number.
        start = node * 7 + bit * 3
        four = int.from_bytes(self._content[start : start + 4], "big")
        return four & 0x0FFFFFFF if bit else four >> 8 | (four & 0xF0) << 20

    def _child_of_32(self, node: int, bit: int) -> int:
        start = node * 8 + bit * 4
        return int.from_bytes(self._content[start : start + 4], "big")
