"""Where a region stands: its country, and its coordinates.

A region is a label that requests were given: `US/California` or `US` (country code, GeoNames name
of the first-level division), `AWS/us-east-2`, `GCP/us-central1` (a cloud region), or one without a
place (`GitHub`, `VPN`, `bogon`, `unknown`, `undetermined`, and the names of other services).

What is known of the world stands in three tables of `resources/`, described in its README.md.
"""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from _log import UserError

RESOURCES = Path(__file__).resolve().parent.parent / "resources"

# Regions of a cloud that are everywhere, so they stand nowhere.
EVERYWHERE = ["AWS/GLOBAL", "GCP/global"]

# A city state is a country whose regions all lie this close to its own point (about 30 km).
CITY_STATE_DEGREES = 0.3

# What coordinates can come from, best first; see locate.
SOURCES = pl.Enum(["override", "cloud", "region", "name", "geocoder", "country", "approximate"])

POINTS = pl.Schema({"region": pl.String, "latitude": pl.Float64, "longitude": pl.Float64})

# Letters that Unicode does not take apart into a Latin letter and an accent.
LETTERS = {
    "ł": "l",
    "ø": "o",
    "đ": "d",
    "ð": "d",
    "ħ": "h",
    "\u0131": "i",  # without its dot
    "ə": "e",
    "ǝ": "e",
    "æ": "ae",
    "œ": "oe",
    "ß": "ss",
    "þ": "th",
}

# Of all sorts, for a regular expression: they mark a sound, not the end of a word.
APOSTROPHES = r"'`\x{B4}\x{2018}\x{2019}\x{2BB}\x{2BC}\x{2BE}\x{2BF}"

# Words that say what kind of a division it is, not which. They are dropped where others remain.
# fmt: off
KINDS = [
    "province", "provincia", "provinsi", "region", "regiao", "state", "estado", "land", "territory",
    "republic", "federal", "commonwealth", "free", "hanseatic", "autonomous", "special",
    "metropolitan", "metropolis", "oblast", "krai", "kray", "kraj", "oblysy", "oblisi", "rayon",
    "rajons", "novads", "grad",
    "county", "comitat", "canton", "department", "departamento", "district", "distrito",
    "division", "parish", "municipality", "baladiyat", "community", "comunidad", "city", "town",
    "governorate", "muhafazah", "emirate", "imarat", "voivodeship", "prefecture",
    "ken", "fu", "to", "do", "si",
    "of", "the", "and", "de", "del", "da", "di", "du", "dos",
]
# fmt: on


@cache
def read_places() -> pl.DataFrame:
    """Read the places of the world.

    Returns:
        `country`, `region` (empty in the row of the country itself), `latitude`, `longitude`.
    """
    return _read_table("places.tsv")


@cache
def read_cloud_regions() -> pl.DataFrame:
    """Read the cloud regions: `region` (`AWS/eu-west-1`), `country`, `latitude`, `longitude`."""
    label = pl.concat_str("provider", "region", separator="/")
    return _read_table("cloud_regions.tsv").select(
        label.alias("region"), "country", "latitude", "longitude"
    )


@cache
def read_aliases() -> pl.DataFrame:
    """Read other names of regions: `country`, `alias`, `region` (the name in the places table)."""
    return _read_table("region_aliases.tsv")


def _read_table(name: str) -> pl.DataFrame:
    return pl.read_csv(
        RESOURCES / name,
        separator="\t",
        quote_char=None,
        infer_schema=False,
    ).with_columns(
        pl.col("region").fill_null(""),
        pl.col("^(latitude|longitude)$").cast(pl.Float64),
    )


# --- countries -----------------------------------------------------------------------------------


def country_of(region: pl.Expr) -> pl.Expr:
    """Give the ISO 3166-1 alpha-2 code of the country a region is in, null where it is in none.

    `US/California` and `US` are in US, `AWS/eu-west-1` is where the cloud table puts it (IE). A
    code counts if the places table has it: all of ISO 3166-1 are there, and XK, by which GeoNames
    and ipinfo call Kosovo.
    """
    # One look-up of either costs half of one of each.
    is_in_country = region.str.contains("^../.")
    place = pl.when(is_in_country).then(region.str.slice(0, 2)).otherwise(region)
    return place.replace_strict(*_country_of_place(), default=None)


@cache
def _country_of_place() -> tuple[pl.Series, pl.Series]:
    """Codes of countries and cloud regions, and the country of each."""
    cloud = read_cloud_regions()
    countries = read_places()["country"].unique()
    return pl.concat([countries, cloud["region"]]), pl.concat([countries, cloud["country"]])


def is_place(region: pl.Expr) -> pl.Expr:
    """Say whether a label counts as a region: whether it names a place.

    A country (`US`) and a service (`GitHub`) do not, nor does `AWS/GLOBAL`.
    """
    return region.str.contains("/", literal=True) & ~region.str.contains("(?i)/global$")


def with_country(regions: pl.LazyFrame) -> pl.LazyFrame:
    """Add `country` to a frame with `region`, see country_of."""
    return regions.with_columns(country=country_of(pl.col("region")))


def unknown_cloud_regions(regions: Iterable[str]) -> list[str]:
    """Name the regions of AWS and GCP that the cloud table lacks, in text order."""
    known = read_cloud_regions()["region"]
    providers = known.str.extract("^([^/]+)/").unique()
    label = pl.col("region")
    return (
        _labels(regions)
        .filter(
            label.str.extract("^([^/]+)/").is_in(providers.implode()),
            ~label.is_in(known.implode()),
            ~label.is_in(EVERYWHERE),
        )["region"]
        .to_list()
    )


# --- names ---------------------------------------------------------------------------------------


def fold(name: pl.Expr) -> pl.Expr:
    """Write a name in plain lower-case letters: `Île-de-France` -> `ile de france`."""
    return (
        name.str.normalize("NFKD")
        .str.replace_all(rf"[\p{{M}}{APOSTROPHES}]", "")
        .str.to_lowercase()
        .str.replace_many(LETTERS)
        .str.replace_all(r"[^\p{L}\p{N}]+", " ")
        .str.strip_chars(" ")
        .str.replace_all(r"\b(?:st|sankt|sint)\b", "saint")
    )


def stem(folded: pl.Expr) -> pl.Expr:
    """Drop the words of a folded name that only say its kind: `state of berlin` -> `berlin`.

    A name of nothing else (`free state`) stays as it is.
    """
    bare = (
        folded.str.replace_all(rf"\b(?:{'|'.join(KINDS)})\b", " ")
        .str.replace_all(" +", " ")
        .str.strip_chars(" ")
    )
    return pl.when(bare == "").then(folded).otherwise(bare)


@cache
def known_names() -> pl.DataFrame:
    """List every name of a region with its coordinates, in order of preference.

    Of two regions of the same stem (`Minsk`, `Minsk City`) the shorter one goes first; they are
    neighbours. The region's own name goes before an alias.

    Returns:
        `country`, `name`, `folded`, `stem`, `latitude`, `longitude`.
    """
    own = read_places().filter(pl.col("region") != "").with_columns(name="region")
    aliases = read_aliases().join(own, on=["country", "region"]).with_columns(name="alias")
    columns = ["country", "name", "latitude", "longitude"]
    in_order = [
        names.select(columns).sort("country", pl.col("name").str.len_chars(), "name")
        for names in (own, aliases)
    ]
    return _with_keys(pl.concat(in_order))


def _with_keys(names: pl.DataFrame) -> pl.DataFrame:
    return names.with_columns(folded=fold(pl.col("name"))).with_columns(stem=stem(pl.col("folded")))


# --- coordinates ---------------------------------------------------------------------------------


def read_override(path: Path | None) -> pl.DataFrame:
    """Read coordinates of the user's own.

    The file is YAML, `"US/California": {latitude: 36.7, longitude: -119.4}`.

    Returns:
        `region`, `latitude`, `longitude`; without rows if there is no path.

    Raises:
        UserError: The file has another form, or a coordinate that does not exist.
    """
    try:
        entries = {} if path is None else yaml.safe_load(path.read_text("utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: this is no YAML in UTF-8: {error}") from None
    if not isinstance(entries, dict):
        raise UserError(f"{path}: this must be a mapping of regions to coordinates.")
    rows = [(label, *_checked_point(path, label, point)) for label, point in entries.items()]
    return pl.DataFrame(rows, schema=POINTS, orient="row")


def _checked_point(path: Path | None, label: Any, point: Any) -> tuple[float, float]:
    if not isinstance(label, str):
        raise UserError(f"{path}: {label!r} is no text; put the region in quotes.")
    if not isinstance(point, dict) or set(point) != {"latitude", "longitude"}:
        raise UserError(f"{path}: {label!r} must have latitude and longitude, and nothing else.")
    for name, limit in (("latitude", 90), ("longitude", 180)):
        number = point[name]
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise UserError(f"{path}: the {name} of {label!r} must be a number, not {number!r}.")
        if not -limit <= number <= limit:  # false for nan, too
            raise UserError(
                f"{path}: the {name} of {label!r} is {number}, not within ±{limit} degrees."
            )
    return float(point["latitude"]), float(point["longitude"])


def locate(
    regions: Iterable[str], override: Path | None = None, geocoded: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Find the coordinates of regions.

    They come from the first of:

    1. `override`: the user's own file.
    2. `cloud`: the cloud table.
    3. `region`: the places table, country and name as they stand.
    4. `name`: the same up to case, accents, punctuation, words such as Province, and aliases.
    5. `geocoder`: what a geocoder said earlier, `geocoded`.
    6. `country`: the country's own point, for a bare code (`US`), a city state (`HK/Hong Kong`),
       and a country of which the table has no regions (`NU/Niue`).
    7. `approximate`: the country's own point, for a region of it that the table lacks. A map that
       shows the region somewhere in its country is better than one that loses its bytes, but the
       user should hear of it.

    Only what is in the label's own country is ever considered: no answer is in a wrong country.

    Returns:
        A row per region that has coordinates, in text order: `region`, `latitude`, `longitude`
        (degrees), `source` (see above).
    """
    labels = _labels(regions)
    answers = pl.DataFrame(schema=POINTS) if geocoded is None else geocoded
    places = _with_keys(
        labels.with_columns(
            country=country_of(pl.col("region")),
            name=pl.col("region").str.extract("^[A-Z]{2}/(.+)$"),
        ).filter(~pl.col("region").is_in(read_cloud_regions()["region"].implode()))
    )
    found = [
        _tagged(labels.join(read_override(override), on="region"), "override"),
        _tagged(labels.join(read_cloud_regions(), on="region"), "cloud"),
        _tagged(_by_name(places, "name"), "region"),
        _tagged(_by_name(places, "folded"), "name"),
        _tagged(_by_name(places, "stem"), "name"),
        _tagged(labels.join(answers, on="region"), "geocoder"),
        _by_country(places),
    ]
    return pl.concat(found).unique("region", keep="first", maintain_order=True).sort("region")


def coordinates(
    regions: Iterable[str], override: Path | None = None
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Give the coordinates of regions by label, in natural order, and the places left without.

    A place is left without if its label names one (`ZZ/Somewhere`, `AWS/xx-new-1`) that is in no
    table. What stands nowhere by nature (`GitHub`, `unknown`, `AWS/GLOBAL`) is in neither result.
    See locate for where coordinates come from.

    Returns:
        `{region: {"latitude": …, "longitude": …}}`, degrees, rounded to 4 decimals; and the labels
        without coordinates.
    """
    regions = list(regions)
    located = locate(regions, override)
    return by_label(located), without_coordinates(regions, located)


def by_label(located: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Turn located regions into `{region: {"latitude": …, "longitude": …}}`, in natural order."""
    points = {
        label: {"latitude": latitude, "longitude": longitude}
        for label, latitude, longitude in located.select(
            "region", pl.col("latitude", "longitude").round(4)
        ).iter_rows()
    }
    return {label: points[label] for label in sorted(points, key=natural_order)}


def without_coordinates(regions: Iterable[str], located: pl.DataFrame) -> list[str]:
    """Name the labels that say a place (`…/…`, `US`) but were not located, in natural order."""
    missing = (
        _labels(regions)
        .join(located, on="region", how="anti")
        .filter(pl.col("region").str.contains("/|^[A-Z]{2}$"), ~pl.col("region").is_in(EVERYWHERE))
    )
    return sorted(missing["region"], key=natural_order)


def natural_order(label: str) -> list[str | int]:
    """Sort key by which `europe-west9` comes before `europe-west12`."""
    parts = re.split(r"([0-9]+)", label)  # text, number, text, number, …
    return [int(part) if index % 2 else part for index, part in enumerate(parts)]


def _labels(regions: Iterable[str]) -> pl.DataFrame:
    labels = pl.Series("region", list(regions), dtype=pl.String)
    return labels.drop_nulls().unique().sort().to_frame()


def _tagged(located: pl.DataFrame, source: str) -> pl.DataFrame:
    return located.select(
        "region", "latitude", "longitude", pl.lit(source, dtype=SOURCES).alias("source")
    )


def _by_name(places: pl.DataFrame, key: str) -> pl.DataFrame:
    known = known_names().unique(["country", key], keep="first", maintain_order=True)
    return places.join(known.select("country", key, "latitude", "longitude"), on=["country", key])


def _by_country(places: pl.DataFrame) -> pl.DataFrame:
    countries = read_places().filter(pl.col("region") == "").drop("region")
    precise = pl.col("name").is_null() | ~pl.col("country").is_in(_wide_countries().implode())
    return places.join(countries, on="country").select(
        "region",
        "latitude",
        "longitude",
        pl.when(precise)
        .then(pl.lit("country", dtype=SOURCES))
        .otherwise(pl.lit("approximate", dtype=SOURCES))
        .alias("source"),
    )


@cache
def _wide_countries() -> pl.Series:
    """Name the countries with a region too far from the country's own point to stand for it."""
    countries = read_places().filter(pl.col("region") == "").drop("region")
    regions = read_places().filter(pl.col("region") != "")
    away = pl.max_horizontal(
        (pl.col("latitude") - pl.col("latitude_right")).abs(),
        (pl.col("longitude") - pl.col("longitude_right")).abs()
        * pl.col("latitude").radians().cos(),
    )
    return (
        regions.join(countries, on="country")
        .filter(away > CITY_STATE_DEGREES)["country"]
        .unique()
        .sort()
    )
