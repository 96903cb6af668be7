"""Rows with lists of requests, more than memory holds: sorted run by run, then merged."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from _files import keep_private

AT_ONCE = 24_000_000
"""Requests of a run: so many are in memory at once."""
PORTION = 8_000_000
"""Requests of several runs that are merged at once."""
ROW_GROUP_SIZE = 256
"""Rows of a row group of tables with lists: readers skip by them."""
ROW_GROUP_SIZE_OF_LARGE_MONTH = 16
"""The same where there are several runs. A row may hold a million requests there, and a reader
takes a row group into memory as a whole."""


class Runs:
    """Sorted runs, to be read as one. A single one stays in memory; several are put on disk.

    Args:
        folder: For several runs.
        by: The column by which each run is sorted. Rows that are equal in it follow each other run
            after run.
        portion: About how many requests are read at once.
    """

    def __init__(self, folder: Path, by: str, portion: int = PORTION) -> None:
        self._folder = folder
        self._by = by
        self._portion = portion
        self._only: pl.DataFrame | None = None
        self._paths: list[Path] = []
        self._rows: list[pl.DataFrame] = []

    def add(self, run: pl.DataFrame) -> None:
        """Add a run: `by`, and columns of lists, not empty and of equal length in a row."""
        if self._only is None and not self._paths:
            self._only = run
            return
        if self._only is not None:
            self._put_away(self._only)
            self._only = None
        self._put_away(run)

    @property
    def several(self) -> bool:
        """Whether there is more than one run."""
        return len(self._paths) > 1

    def merged(self) -> Iterator[pl.DataFrame]:
        """All rows, sorted, some at a time: each frame is sorted, and goes before the next."""
        if self._only is not None:
            yield self._only
        if not self._paths:
            return
        parts = (
            pl.concat(self._rows)
            .lazy()
            .sort(self._by, "run", "row")
            .with_columns(portion=pl.col("size").cum_sum() // self._portion)
            .group_by("portion", "run", maintain_order=True)
            .agg(pl.col("row").first(), pl.len())
            .collect()
        )
        for part in parts.partition_by("portion", maintain_order=True):
            slices = [
                pl.scan_parquet(self._paths[run]).slice(row, count)
                for run, row, count in part.select("run", "row", "len").sort("run").iter_rows()
            ]
            yield pl.concat(slices).sort(self._by, maintain_order=True).collect()

    def _put_away(self, run: pl.DataFrame) -> None:
        number = len(self._paths)
        path = self._folder / f"{number:03}.parquet"
        run.write_parquet(
            path,
            compression="uncompressed",
            statistics=False,
            row_group_size=ROW_GROUP_SIZE_OF_LARGE_MONTH,
        )
        self._paths.append(path)
        lists = next(name for name, dtype in run.schema.items() if isinstance(dtype, pl.List))
        self._rows.append(
            run.lazy()
            .select(self._by, size=pl.col(lists).list.len().cast(pl.Int64))
            .with_row_index("row")
            .with_columns(run=number)
            .collect()
        )


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A private folder for the runs of what shall become `path`, for as long as the block lasts.

    What a killed job left there goes first.
    """
    folder = path.with_name(f".{path.name}.runs.part")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield keep_private(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
