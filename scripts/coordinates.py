"""Find the coordinates of all regions that occur."""

import logging
from pathlib import Path

import polars as pl
import yaml
from _files import keep_private, replacing
from _geocoder import as_table, ask
from _log import logging_to
from _places import by_label, locate, natural_order, unknown_cloud_regions, without_coordinates

log = logging.getLogger(__name__)


def read_regions(path: Path) -> pl.Series:
    """Read the labels of a summary by region, its column `region`."""
    return pl.read_csv(
        path, separator="\t", quote_char=None, infer_schema=False, columns=["region"]
    )["region"]


def gaps(regions: pl.Series, located: pl.DataFrame) -> list[str]:
    """Name the regions whose point is not their own, or that have none: a message of each kind."""
    approximate = located.filter(pl.col("source") == "approximate")["region"].to_list()
    named = {
        "Shown at a point of their country, because resources/places.tsv lacks them: {}. "
        "Coordinates for them can be given in config/coordinates.yaml.": sorted(
            approximate, key=natural_order
        ),
        "These cloud regions have no row in resources/cloud_regions.tsv, so they count for "
        "no country: {}.": unknown_cloud_regions(regions),
        "Left without coordinates, so on no map: {}. "
        "Coordinates for them can be given in config/coordinates.yaml.": without_coordinates(
            regions, located
        ),
    }
    return [message.format(", ".join(labels)) for message, labels in named.items() if labels]


def locate_with_geocoder(
    regions: pl.Series, override: Path | None, kept: Path, url: str
) -> pl.DataFrame:
    """Locate regions, those that the tables lack by a geocoder if there is a key for it.

    Args:
        regions: Labels.
        override: See main.
        kept: What the geocoder answered so far.
        url: Of the geocoder.

    Returns:
        See `_places.locate`.
    """
    located = locate(regions, override)
    lacking = located.filter(pl.col("source") == "approximate")["region"]
    return locate(regions, override, as_table(ask(lacking, kept, url)))


def main(
    *,
    regions: Path,
    coordinates: Path,
    override: Path | None,
    told: Path | None = None,
    cache: Path | None = None,
    opencage_url: str = "",
) -> None:
    """Write the coordinates of the regions of the archive, for the map of the public page.

    Args:
        regions: Summary of the archive by region; only its column `region` is read.
        coordinates: YAML to write, `{region: {latitude: …, longitude: …}}`, degrees, rounded to 4
            decimals, keys in natural order. Labels without a place (`GitHub`) are left out.
        override: Coordinates of the user's own in the same form, which go first; None if there are
            none.
        told: Where to say which regions have no point of their own, or none at all, a line of each
            kind; the run says it at its end. None for nowhere.
        cache: The folder that keeps what OpenCage answered, `coordinates.json`; None for the tables
            alone.
        opencage_url: Where OpenCage is. It is asked for what the tables lack, if OPENCAGE_API_KEY
            is set.

    Raises:
        UserError: `override` has another form.
    """
    labels = read_regions(regions)
    if cache is None:
        located = locate(labels, override)
    else:
        kept = keep_private(cache) / "coordinates.json"
        located = locate_with_geocoder(labels, override, kept, opencage_url)
    text = yaml.safe_dump(by_label(located), allow_unicode=True, sort_keys=False)
    with replacing(coordinates) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    log.info("%d of %d labels have coordinates.", located.height, labels.n_unique())
    lacking = gaps(labels, located)
    for message in lacking:
        log.warning("%s", message)
    if told is not None:
        with replacing(told) as beside:
            beside.write_text("".join(f"{line}\n" for line in lacking), encoding="utf-8")


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            regions=Path(snakemake.input.regions),
            coordinates=Path(snakemake.output.coordinates),
            told=Path(snakemake.output.told),
            override=next((Path(path) for path in snakemake.input.override), None),
            cache=Path(snakemake.params.cache),
            opencage_url=snakemake.params.opencage_url,
        )
