"""Numbers in place of texts and of pairs: quicker to compare, and smaller to keep."""

from __future__ import annotations

from typing import TypeVar

import polars as pl

Column = TypeVar("Column", pl.Expr, pl.Series)

HIGH = 1 << 32
"""Two numbers are one pair: the first times this, and the second."""


class Numbers:
    """Texts and their numbers, given out in the order in which the texts come up."""

    def __init__(self) -> None:
        self._categories = pl.Categories.random()
        # Polars forgets the texts once no data have them any more.
        self._kept = pl.Series(dtype=pl.Categorical(self._categories))

    def of(self, texts: pl.Series) -> pl.Series:
        """The number of each text."""
        return texts.cast(self._kept.dtype).to_physical()

    def texts(self) -> pl.Series:
        """The texts in the order of their numbers."""
        return pl.Series(list(self._categories), dtype=pl.String)


def pair(first: Column, second: Column) -> Column:
    """Two numbers below 2**32 as one, which is quicker to tell apart than two."""
    return first.cast(pl.UInt64) * HIGH + second.cast(pl.UInt64)


def first_of(pairs: Column) -> Column:
    """The first number of pairs."""
    return (pairs // HIGH).cast(pl.UInt32)


def second_of(pairs: Column) -> Column:
    """The second number of pairs."""
    return (pairs % HIGH).cast(pl.UInt32)


def apart(pairs: pl.DataFrame, first: str, second: str) -> pl.DataFrame:
    """A table with the numbers of its `pair`, named as said, in place of it."""
    return pairs.select(
        first_of(pl.col("pair")).alias(first),
        second_of(pl.col("pair")).alias(second),
        pl.exclude("pair"),
    ).rechunk()
