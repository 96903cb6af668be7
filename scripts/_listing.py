"""The listing of Dandisets, which is a snapshot: which asset of which version is which object."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import polars as pl
from _files import replacing
from _log import UserError

SNAPSHOT = ("dandiset", "version", "path", "content_id", "kind", "size", "created")
LISTING = pl.Schema(
    {
        **dict.fromkeys(SNAPSHOT, pl.String()),
        "size": pl.Int64(),
        "created": pl.Datetime("us", "UTC"),
    }
)
"""One row per asset of a version; `version` is empty for an asset of no version any more."""
ASSET = ("path", "content_id", "kind", "created")
"""What makes two rows of a Dandiset the same asset. A Zarr that grows stays the same."""

FORBIDDEN_IN_PATHS = r"[\x00-\x1f\x7f]"
PUBLISHED = r"[0-9]+(?:\.[0-9]+)*"
"""The id of a published version."""
ROWS_AT_ONCE = 1 << 16


def read_snapshot(path: Path) -> pl.LazyFrame:
    """Read a snapshot, `.tsv` or `.parquet`: `LISTING`, and `row`, its row number from 2.

    Raises:
        UserError: A column is missing.
    """
    if path.suffix == ".parquet":
        table = pl.scan_parquet(path)
    else:
        table = pl.scan_csv(
            path, separator="\t", quote_char=None, infer_schema=False, empty_string_is_null=False
        )
    columns = table.collect_schema()
    missing = [name for name in SNAPSHOT if name not in columns]
    if missing:
        raise UserError(f"{path}: no column {', '.join(missing)}. It needs {', '.join(SNAPSHOT)}.")
    return (
        table.select(SNAPSHOT)
        .with_columns(
            pl.col("dandiset", "version", "path", "content_id", "kind")
            .cast(pl.String)
            .fill_null(""),
            pl.col("size").cast(pl.Int64, strict=False),
            created=instant(columns["created"]),
        )
        .with_row_index("row", offset=2)
    )


def instant(dtype: pl.DataType) -> pl.Expr:
    """`created` as microseconds in UTC; a timestamp loses its fraction where that is 0."""
    if dtype.is_temporal():
        return pl.col("created").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    text = pl.col("created").str.replace(r"Z$|[+-]00:?00$", "")
    return text.str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False
    ).dt.replace_time_zone("UTC")


def rules_of_rows() -> dict[str, pl.Expr]:
    """What is wrong with a row of a listing -> whether it is."""
    parts = pl.col("path").str.split("/")
    return {
        "the Dandiset is not a six-digit id": ~pl.col("dandiset").str.contains(r"^[0-9]{6}$"),
        "the version is neither draft, nor a published id, nor empty": ~pl.col(
            "version"
        ).str.contains(rf"^(draft|{PUBLISHED})?$"),
        "the kind is neither blob nor zarr": ~pl.col("kind").is_in(["blob", "zarr"]),
        "the content id is not the UUID of a blob or Zarr": ~pl.col("content_id").str.contains(
            "^[0-9A-Za-z-]+$"
        ),
        "`created` is not a time": pl.col("created").is_null(),
        "the path would leave its folder": (
            parts.list.contains("..")
            | parts.list.contains(".")
            | parts.list.contains("")
            | pl.col("path").str.contains(FORBIDDEN_IN_PATHS)
        ),
    }


def first_problem(rows: pl.DataFrame) -> tuple[str, dict] | None:
    """What is wrong with a listing: the first problem and its first row; None if all is well."""
    for problem, rule in rules_of_rows().items():
        for row in rows.filter(rule).head(1).iter_rows(named=True):
            return problem, row
    return None


def refuse_bad_rows(snapshot: pl.DataFrame, path: Path) -> None:
    """Refuse a snapshot with a row that cannot be used.

    Raises:
        UserError: The first such row, and what is wrong with it.
    """
    if found := first_problem(snapshot):
        problem, row = found
        raise UserError(
            f"{path}, row {row['row']}: {problem} (Dandiset {row['dandiset']!r}, version "
            f"{row['version']!r}, path {row['path']!r}). Mend or remove that row."
        )


def canonical(rows: pl.DataFrame) -> pl.DataFrame:
    """The one form of a listing: `LISTING`, each row once, sorted by all columns."""
    by = ["dandiset", "version", "path", "kind", "content_id", "created", "size"]
    return rows.select(LISTING.names()).unique().sort(by)


def as_tsv(rows: pl.DataFrame, *, header: bool) -> bytes:
    """Rows of a listing as lines of a snapshot: `created` with all six digits and `Z`."""
    text = BytesIO()
    rows.with_columns(pl.col("created").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")).write_csv(
        text, separator="\t", quote_style="never", include_header=header
    )
    return text.getvalue()


def write_snapshot(listing: pl.DataFrame, path: Path) -> str:
    """Write a canonical listing as a snapshot, `.tsv`; returns its SHA-256."""
    digest = hashlib.sha256()
    with replacing(path) as beside, beside.open("wb") as file:
        for lines in _portions(listing):
            digest.update(lines)
            file.write(lines)
    return digest.hexdigest()


def describe(listing: pl.DataFrame) -> dict[str, str | int | None]:
    """What identifies a canonical listing, whatever file it came from.

    Returns:
        `sha256`: of the snapshot that `write_snapshot` makes of it. `date`: the day of its newest
        asset (`created`, UTC), null if there is none. `dandisets` and `rows`: how many.
    """
    digest = hashlib.sha256()
    for lines in _portions(listing):
        digest.update(lines)
    newest = listing["created"].max()
    return {
        "sha256": digest.hexdigest(),
        "date": newest.date().isoformat() if newest else None,
        "dandisets": listing["dandiset"].n_unique(),
        "rows": len(listing),
    }


def _portions(listing: pl.DataFrame) -> Iterator[bytes]:
    yield as_tsv(listing.clear(), header=True)
    for rows in listing.iter_slices(ROWS_AT_ONCE):
        yield as_tsv(rows, header=False)
