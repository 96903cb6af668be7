"""The digest of an object's requests: another one tells that something about them changed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import polars as pl

FACTORS = {
    "timestamp": 0x9E3779B97F4A7C15,
    "place": 0xD6E8FEB86659FD93,
    "bytes_sent": 0xC2B2AE3D27D4EB4F,
    "status": 0xA0761D6478BD642F,
}
"""By what each number of a request is multiplied."""


def label_hashes(labels: Sequence[str]) -> pl.Series:
    """A number for each region label that does not depend on how a version of Polars hashes."""
    return pl.Series(
        [
            int.from_bytes(hashlib.blake2b(x.encode(), digest_size=8).digest(), "big")
            for x in labels
        ],
        dtype=pl.UInt64,
    )


def mixed(hashes: pl.Series) -> pl.Expr:
    """A number per request in which all that is shown of it is mixed: its sum is the digest.

    It takes the place in the bin in too, so that requests that change places change the sum. When
    and what are each a sum of multiples, modulo 2**64, and their product tells which belong
    together.

    Args:
        hashes: `label_hashes`. The texts of labels enter, for their numbers differ by month.
    """

    def times(name: str) -> pl.Expr:
        factor = pl.lit(FACTORS[name], pl.UInt64)
        return pl.col(name).to_physical().cast(pl.UInt64) * factor

    when = times("timestamp") + times("place")
    what = times("bytes_sent") + times("status") + pl.lit(hashes).gather(pl.col("region"))
    return when * what
