"""Give each month only what it needs of the listing and of the regions."""

import logging
from pathlib import Path

import _threads  # noqa: F401
import polars as pl
from _files import write_json
from _labels import UNDETERMINED
from _log import logging_to
from _tables import REGIONS, ROUTES, write_if_changed
from _usage import asset_type

log = logging.getLogger(__name__)


def routes_of(binned: pl.LazyFrame, objects: pl.LazyFrame) -> pl.LazyFrame:
    """The Dandisets of the objects that a month has requests for: `ROUTES`, sorted."""
    return (
        objects.join(binned, on="object_key", how="semi")
        .with_columns(asset_type())
        .select(ROUTES.names())
        .sort("object_key", "dandiset")
    )


def regions_of(hashes: pl.LazyFrame, regions: pl.LazyFrame) -> pl.LazyFrame:
    """The regions of a month's addresses in the order of their numbers: `REGIONS`."""
    return hashes.join(regions, on="hash", how="left", maintain_order="left").select(
        pl.col("region").fill_null(UNDETERMINED)
    )


def main(
    *,
    months: list[str],
    binned: list[Path],
    hashes: list[Path],
    regions: Path,
    objects: Path,
    routed: Path,
) -> None:
    """Write the look-up tables of all months, where they changed.

    Args:
        months: `2022-05` each.
        binned: Their bins: `BINNED`.
        hashes: Their hashes: `HASHES`.
        regions: The regions of all hashes: `REGIONS_BY_HASH`.
        objects: The objects of all Dandisets: `OBJECTS`.
        routed: Where the list of months goes. Beside it stand `{month}.parquet`, `ROUTES`, and
            `{month}.regions.parquet`, `REGIONS`; those of other months are deleted.
    """
    folder = routed.parent
    regions_by_hash = pl.read_parquet(regions).lazy()
    listed = pl.read_parquet(objects).lazy()
    written = []
    for month, bins, keys in zip(months, binned, hashes, strict=True):
        tables = (
            (f"{month}.parquet", routes_of(pl.scan_parquet(bins), listed), ROUTES),
            (
                f"{month}.regions.parquet",
                regions_of(pl.scan_parquet(keys), regions_by_hash),
                REGIONS,
            ),
        )
        for name, table, schema in tables:
            if write_if_changed(table, folder / name, schema):
                written.append(name)
    wanted = {f"{month}{end}" for month in months for end in (".parquet", ".regions.parquet")}
    for path in folder.glob("[0-9]*.parquet"):
        if path.name not in wanted:
            path.unlink()
    write_json(routed, months)
    log.info("%d months; changed: %s", len(months), ", ".join(written) or "none")


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            months=snakemake.params.months,
            binned=[Path(path) for path in snakemake.input.binned],
            hashes=[Path(path) for path in snakemake.input.hashes],
            regions=Path(snakemake.input.regions),
            objects=Path(snakemake.input.objects),
            routed=Path(snakemake.output.routed),
        )
