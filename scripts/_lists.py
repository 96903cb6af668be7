"""List columns, which hold an entry a request."""

from __future__ import annotations

import polars as pl


def looked_up(numbers: pl.Series, table: pl.Series) -> pl.Series:
    """Lists with the value that stands in a table in place of its number.

    Args:
        numbers: Lists, none of them empty, of row numbers in `table`.
        table: The values.
    """
    return (
        numbers.to_frame("value")
        .with_row_index("row")
        .explode("value")
        .with_columns(pl.col("row").set_sorted(), value=pl.lit(table).gather(pl.col("value")))
        .group_by("row", maintain_order=True)
        .agg("value")
        .get_column("value")
        .alias(numbers.name)
    )
