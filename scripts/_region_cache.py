"""The regions that were looked up, kept under hashes of the addresses.

`regions.parquet` holds them all. It is not written anew for every batch of answers: those stand
in `regions.batches/`, a small file each, until a run ends or the next one begins. So a run that is
killed loses the batch in hand and no more.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
from _files import keep_private
from _tables import CACHED_REGIONS, write_table


class RegionCache:
    """The cache below a folder, for one writer at a time."""

    def __init__(self, cache: Path) -> None:
        self._path = keep_private(cache) / "regions.parquet"
        self._folder = keep_private(cache / "regions.batches")

    def keep(self, batch: pl.DataFrame) -> None:
        """Keep a batch of answers, `CACHED_REGIONS`; they replace earlier ones of the same hash."""
        if len(batch):
            number = int(self._batches()[-1].stem) + 1 if self._batches() else 0
            write_table(batch, self._folder / f"{number:09d}.parquet", CACHED_REGIONS)

    def merge(self) -> pl.DataFrame:
        """Bring all batches into the one file.

        Returns:
            All that is kept: `CACHED_REGIONS`, sorted by hash.
        """
        batches = self._batches()
        kept = (
            pl.read_parquet(self._path)
            if self._path.exists()
            else pl.DataFrame(schema=CACHED_REGIONS)
        )
        if batches:
            tables = [kept, *map(pl.read_parquet, batches)]
            kept = pl.concat(tables).unique("hash", keep="last", maintain_order=True).sort("hash")
            write_table(kept, self._path, CACHED_REGIONS)
            for path in batches:
                path.unlink()
        return kept

    def _batches(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.parquet"))
