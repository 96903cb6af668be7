"""The labels of regions, of names that come from outside: a provider's, or a range document's."""

from __future__ import annotations

import unicodedata
from typing import Any

UNDETERMINED = "undetermined"
"""Of an address that nobody was asked about yet."""
UNKNOWN = "unknown"
"""Of an address that the provider does not know, or of what is no address."""
BOGON = "bogon"
"""Of an address that is not globally routable."""

LONGEST_NAME = 100
"""Characters; longer than any name that the archive has seen."""


def plain(name: Any) -> str:
    """A name as it can stand in a table, a file name aside: of printed characters in one line.

    Tabs, line ends and all that is not printed are spaces, and of several spaces one stays. Letters
    are composed, so that the same name is the same text. What is no text is an empty one.
    """
    if not isinstance(name, str):
        return ""
    printed = "".join(letter if letter.isprintable() else " " for letter in name)
    return unicodedata.normalize("NFC", " ".join(printed.split()))[:LONGEST_NAME].rstrip()


def in_country(code: str, name: Any) -> str:
    """`US/California`, or `US` if the name says nothing."""
    known = plain(name)
    return f"{code}/{known}" if known else code
