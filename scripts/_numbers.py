"""Texts as numbers, which are quicker to compare and smaller to keep."""

from __future__ import annotations

import polars as pl


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
