"""Summaries and totals as files."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from _files import replacing
from _places import country_of, is_place


def write_summary(table: pl.LazyFrame | pl.DataFrame, path: Path) -> None:
    """Write a table as TSV: a header, tabs, a newline at the end of each line, no quotes."""
    with replacing(path) as beside:
        table.lazy().collect().write_csv(beside, separator="\t", quote_style="never")


def read_summary(path: Path) -> pl.DataFrame:
    """Read a summary: its first column as text, the others as integers."""
    table = pl.read_csv(
        path, separator="\t", quote_char=None, infer_schema=False, empty_string_is_null=False
    )
    return table.with_columns(pl.col(table.columns[1:]).cast(pl.Int64))


def totals(by_region: pl.LazyFrame, number_of_requesters: int) -> dict[str, int]:
    """The totals of a Dandiset, or of the archive.

    A region is one that is a place, and a country one that a region lies in.

    Args:
        by_region: Usage by region: `region` and the counts, one row a region or more.
        number_of_requesters: As counted over all time.
    """
    row = by_region.select(
        total_bytes_sent=pl.col("bytes_sent").sum(),
        total_number_of_requests=pl.col("number_of_requests").sum(),
        total_number_of_downloads=pl.col("number_of_downloads").sum(),
        number_of_unique_regions=pl.col("region").filter(is_place(pl.col("region"))).n_unique(),
        number_of_unique_countries=country_of(pl.col("region")).drop_nulls().n_unique(),
    ).collect()
    return {**row.row(0, named=True), "number_of_requesters": number_of_requesters}
