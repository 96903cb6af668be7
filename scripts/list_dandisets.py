"""List which asset of which version of which Dandiset is which object, and whose each object is."""

import logging
from pathlib import Path

import _threads  # noqa: F401
import polars as pl
from _files import write_json
from _listing import canonical, describe, read_snapshot, refuse_bad_rows
from _log import logging_to
from _tables import ASSETS, OBJECTS, write_table

log = logging.getLogger(__name__)


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


def main(*, snapshot: Path, assets: Path, objects: Path, listing: Path) -> None:
    """List a snapshot.

    Args:
        snapshot: `.tsv` or `.parquet` with the columns of `LISTING`.
        assets: Where the assets go: `ASSETS`, sorted.
        objects: Where the objects go: `OBJECTS`, sorted.
        listing: Where its own account goes: the `sha256`, `date` and sizes of the listing.

    Raises:
        UserError: The snapshot cannot be used.
    """
    table = read_snapshot(snapshot).collect()
    refuse_bad_rows(table, snapshot)
    listed = table.with_columns(object_key())
    rows = listed.select(ASSETS.names()).unique().sort(ASSETS.names())
    write_table(rows, assets, ASSETS)
    write_table(objects_of(listed), objects, OBJECTS)
    write_json(listing, describe(canonical(table)))
    log.info("%s: %d assets of %d Dandisets", snapshot, len(rows), rows["dandiset"].n_unique())


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            snapshot=Path(snakemake.input.snapshot),
            assets=Path(snakemake.output.assets),
            objects=Path(snakemake.output.objects),
            listing=Path(snakemake.output.listing),
        )
