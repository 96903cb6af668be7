"""List which asset of which version of which Dandiset is which object, and whose each object is."""

import logging
from pathlib import Path

import _threads  # noqa: F401
import polars as pl
from _log import UserError, logging_to
from _tables import ASSETS, OBJECTS, write_table

log = logging.getLogger(__name__)

SNAPSHOT = ("dandiset", "version", "path", "content_id", "kind", "size", "created")
FORBIDDEN_IN_PATHS = r"[\x00-\x1f\x7f]"


def read_snapshot(path: Path) -> pl.LazyFrame:
    """Read a snapshot, `.tsv` or `.parquet`: text columns `SNAPSHOT`, and its row number, from 2.

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


def refuse_bad_rows(snapshot: pl.DataFrame, path: Path) -> None:
    """Refuse a snapshot with a row that cannot be used.

    Raises:
        UserError: The first such row, and what is wrong with it.
    """
    parts = pl.col("path").str.split("/")
    rules = {
        "the Dandiset is not a six-digit id": ~pl.col("dandiset").str.contains(r"^[0-9]{6}$"),
        "the version is neither draft, nor a published id, nor empty": ~pl.col(
            "version"
        ).str.contains(r"^(draft|[0-9]+(\.[0-9]+)*)?$"),
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
    for problem, rule in rules.items():
        bad = snapshot.filter(rule).head(1)
        for row in bad.iter_rows(named=True):
            raise UserError(
                f"{path}, row {row['row']}: {problem} (Dandiset {row['dandiset']!r}, version "
                f"{row['version']!r}, path {row['path']!r}). Mend or remove that row."
            )


def object_key() -> pl.Expr:
    """The S3 key of a blob, or of a Zarr's store."""
    content = pl.col("content_id")
    return (
        pl.when(pl.col("kind") == "zarr")
        .then(pl.format("zarr/{}", content))
        .otherwise(
            pl.format("blobs/{}/{}/{}", content.str.slice(0, 3), content.str.slice(3, 3), content)
        )
        .alias("object_key")
    )


def age_of_version() -> pl.Expr:
    """Sort key: the draft last, published versions by their numbers, before them those of none."""
    numbers = pl.col("version").str.extract_all("[0-9]+").list.eval(pl.element().str.zfill(12))
    return pl.when(pl.col("version") == "draft").then(pl.lit("~")).otherwise(numbers.list.join("."))


def objects_of(assets: pl.DataFrame) -> pl.DataFrame:
    """Each object of each Dandiset with its newest path there, and whether it is the Dandiset's.

    An object belongs to the Dandiset that is first by (asset `created`, Dandiset id). Its newest
    path is the draft's, else the latest version's, else that of an asset of no version any more;
    of several the first in text order.

    Args:
        assets: `dandiset`, `version`, `path`, `object_key`, `created`.

    Returns:
        `OBJECTS`, sorted by object key and Dandiset.
    """
    newest = (
        assets.with_columns(age=age_of_version())
        .sort(["age", "path"], descending=[True, False])
        .group_by("object_key", "dandiset", maintain_order=True)
        .agg(asset_path=pl.col("path").first(), created=pl.col("created").min())
    )
    return (
        newest.sort("object_key", "created", "dandiset")
        .with_columns(owner=pl.col("dandiset") == pl.col("dandiset").first().over("object_key"))
        .sort("object_key", "dandiset")
    )


def main(*, snapshot: Path, assets: Path, objects: Path) -> None:
    """List a snapshot.

    Args:
        snapshot: `.tsv` or `.parquet` with the columns `SNAPSHOT`, one row per asset of a version.
        assets: Where the assets go: `ASSETS`, sorted.
        objects: Where the objects go: `OBJECTS`, sorted.

    Raises:
        UserError: The snapshot cannot be used.
    """
    table = read_snapshot(snapshot).collect()
    refuse_bad_rows(table, snapshot)
    listed = table.with_columns(object_key())
    rows = listed.select(ASSETS.names()).unique().sort(ASSETS.names())
    write_table(rows, assets, ASSETS)
    write_table(objects_of(listed), objects, OBJECTS)
    log.info("%s: %d assets of %d Dandisets", snapshot, len(rows), rows["dandiset"].n_unique())


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            snapshot=Path(snakemake.input.snapshot),
            assets=Path(snakemake.output.assets),
            objects=Path(snakemake.output.objects),
        )
