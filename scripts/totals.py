"""Add everything up: the figures of the archive, and the totals of every Dandiset."""

import json
import logging
from pathlib import Path

import _threads  # noqa: F401
import polars as pl
from _files import write_json
from _log import logging_to
from _summaries import totals, totals_by_version, totals_of_each, write_summary
from _tables import (
    DANDISETS_BY_DAY,
    DANDISETS_BY_REGION,
    DIGESTS,
    UNDETERMINED,
    scan_placements,
)
from _usage import add_up, by_date, by_label, by_type_per_week

log = logging.getLogger(__name__)


def scan(paths: list[Path], schema: pl.Schema) -> pl.LazyFrame:
    """Several tables of one contract as one."""
    return pl.scan_parquet(paths, schema=schema) if paths else pl.LazyFrame(schema=schema)


def main(
    *,
    by_day: list[Path],
    by_region: list[Path],
    objects: list[Path],
    gathered: Path,
    archive_by_day: Path,
    archive_by_region: Path,
    archive_by_type: Path,
    dandisets: Path,
    archive: Path,
) -> None:
    """Write the archive's summaries and all totals.

    Args:
        by_day: Every month's usage by Dandiset and day: `DANDISETS_BY_DAY`.
        by_region: The same by region: `DANDISETS_BY_REGION`.
        objects: The same by object: `DIGESTS`.
        gathered: What `gather` found; the tables beside it name the assets.
        archive_by_day: Where the archive's summary by day goes.
        archive_by_region: Where its summary by region goes.
        archive_by_type: Where its bytes by asset type and week go.
        dandisets: Where the totals per Dandiset go, and those of `undetermined`.
        archive: Where the totals of the archive go.
    """
    found = json.loads(gathered.read_text())
    daily = scan(by_day, DANDISETS_BY_DAY).collect()
    regional = add_up(scan(by_region, DANDISETS_BY_REGION), ["dandiset", "region"]).collect()

    of_archive = totals(regional, found["archive"]["number_of_requesters"])

    write_summary(by_date(daily), archive_by_day)
    write_summary(by_label(regional, "region"), archive_by_region)
    write_summary(by_type_per_week(daily), archive_by_type)
    placed = scan_placements(gathered.parent, list(found["dandisets"]))
    of_versions = by_version(scan(objects, DIGESTS), placed)
    active = regional["dandiset"].unique()
    of_dandisets = totals_of_each(
        regional, {name: found["dandisets"][name]["number_of_requesters"] for name in active}
    )
    for dandiset in of_dandisets.keys() - {UNDETERMINED}:
        of_dandisets[dandiset]["by_version"] = of_versions.get(dandiset, {})
    write_json(dandisets, of_dandisets)
    write_json(archive, of_archive)
    log.info("%s", of_archive)


def by_version(usage: pl.LazyFrame, placed: pl.LazyFrame) -> dict[str, dict[str, dict[str, int]]]:
    """The counts of the versions of every Dandiset.

    Args:
        usage: Every month's usage by Dandiset and object, owned or not: `DIGESTS`.
        placed: Where the objects stand: `dandiset`, `PLACEMENTS`.
    """
    of_objects = add_up(usage, ["dandiset", "object_key"])
    assets = placed.filter(pl.col("version") != "")
    return totals_by_version(assets.join(of_objects, on=["dandiset", "object_key"]).collect())


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            by_day=[Path(path) for path in snakemake.input.by_day],
            by_region=[Path(path) for path in snakemake.input.by_region],
            objects=[Path(path) for path in snakemake.input.objects],
            gathered=Path(snakemake.input.gathered),
            archive_by_day=Path(snakemake.output.by_day),
            archive_by_region=Path(snakemake.output.by_region),
            archive_by_type=Path(snakemake.output.by_type),
            dandisets=Path(snakemake.output.dandisets),
            archive=Path(snakemake.output.archive),
        )
