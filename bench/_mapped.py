"""A simulated archive as `map` leaves it: what `totals`, `reconcile` and `publish` read."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
import polars as pl
import totals
import yaml
from _files import read_json, write_json
from _log_lines import CLASSES
from _tables import (
    DANDISETS_BY_DAY,
    DANDISETS_BY_REGION,
    DIGESTS,
    PLACEMENTS,
    UNDETERMINED,
    write_table,
)
from _usage import add_up, asset_type, label_of_day, label_of_region
from map import summaries, summarized, write_summaries
from published_archive import WEIGHTS, places

FIRST_DAY = pl.date(2019, 10, 1)
SERVICES = ("GitHub", "VPN", "unknown", "bogon", "US")
SUFFIXES = (".nwb", ".ome.zarr", ".mp4", ".json")
REGIONS = 770
ASSETS = 300
"""Of the largest Dandisets; the others have fewer."""
VERSIONS = {"draft": 1.0, "0.220126.2143": 0.7, "0.250101.0101": 0.4}
"""Which share of its assets each version of a Dandiset has."""
BY_DANDISET = ["dandiset"]


@dataclass(frozen=True)
class Archive:
    """What was simulated, by the names of `totals`, `reconcile` and `publish`.

    Attributes:
        folder: Of the results.
        dandisets: The ids, and `undetermined`.
        months: `2022-05` each.
        by_day: What was assigned in each.
    """

    folder: Path
    dandisets: list[str]
    months: list[str]
    by_day: list[Path]


def simulate(folder: Path, days: int, dandisets: int, visits: int, every_day: bool) -> Archive:
    """Write the tables of an archive.

    A visit is what one address asked of one asset on one day: one request or some, or of a Zarr
    store, in chunks, up to many thousands. Dandisets, assets, regions and addresses follow Zipf's
    law, and a Dandiset has visits from some day on.

    Args:
        folder: Of the results; made.
        days: How many from 2019-10-01 on.
        dandisets: How many, besides `undetermined`.
        visits: How many in all.
        every_day: Whether each Dandiset has one more on each day.
    """
    rng = np.random.default_rng(0)
    usage = visits_of(rng, days, dandisets, visits, every_day=every_day)
    names = usage["dandiset"].unique().sort().to_list()
    for table in ("assigned", "activity", "mapped"):
        (folder / table).mkdir(parents=True)
    months, by_day = write_assigned(folder / "assigned", usage)
    write_activity(folder / "activity", usage)
    write_accounting(folder / "accounting.tsv", usage)
    write_mapped(folder, by_day)
    everything = read_json(folder / "mapped/all_dandiset_totals.json")
    for (name,), rows in usage.partition_by(BY_DANDISET, as_dict=True).items():
        write_dandiset(folder / "mapped" / name, rows, everything[name])
    coordinates = {
        region: {"latitude": latitude, "longitude": longitude}
        for region, latitude, longitude in places().iter_rows()
    }
    (folder / "mapped/region_codes_to_coordinates.yaml").write_text(
        yaml.dump(coordinates, Dumper=yaml.CSafeDumper, allow_unicode=True), encoding="utf-8"
    )
    return Archive(folder, names, months, by_day)


def visits_of(
    rng: np.random.Generator, days: int, dandisets: int, visits: int, *, every_day: bool
) -> pl.DataFrame:
    """All visits: `dandiset`, `date`, `region`, `asset`, `address`, the counts, `object_key`."""
    number = np.minimum(zipf(rng, dandisets + 1, visits), dandisets)
    since = rng.integers(0, days, dandisets + 1)
    day = since[number] + (rng.random(visits) * (days - since[number])).astype(np.int64)
    if every_day:
        number = np.concatenate([number, np.repeat(np.arange(dandisets + 1), days)])
        day = np.concatenate([day, np.tile(np.arange(days), dandisets + 1)])
    size = len(number)
    regions = regions_in_order(rng)
    held = 1 + (ASSETS * (1 + number) ** -0.3).astype(np.int64)
    asset = ((held + 1) ** rng.random(size)).astype(np.int64) - 1
    is_store = asset % len(SUFFIXES) == 1
    requests = np.where(is_store, rng.lognormal(3, 2, size), rng.geometric(0.5, size))
    requests = requests.astype(np.int64).clip(1)
    downloads = np.where(rng.random(size) < 0.6, requests, rng.binomial(requests, 0.2))
    ids = [f"{one:06}" for one in range(1, dandisets + 1)] + [UNDETERMINED]
    return pl.DataFrame(
        {
            "dandiset": pl.Series(ids).gather(number),
            "day": day,
            "region": regions.gather(zipf(rng, len(regions), size)),
            "asset": asset,
            "address": zipf(rng, 1 + size // 20, size),
            "bytes_sent": (requests * rng.lognormal(11, 2, size)).astype(np.int64),
            "number_of_requests": requests,
            "number_of_downloads": downloads,
        }
    ).with_columns(
        date=FIRST_DAY + pl.duration(days="day"),
        object_key=pl.format("{}/{}", "dandiset", "asset"),
        asset_path=path_of("asset"),
    )


def regions_in_order(rng: np.random.Generator) -> pl.Series:
    """As many regions as the archive has had, about those that ask most first."""
    known = places()["region"]
    weights = known.str.split("/").list.first().replace_strict(WEIGHTS, default=1).to_numpy()
    chosen = rng.choice(len(known), REGIONS, replace=False, p=weights / weights.sum())
    return pl.concat([pl.Series("region", SERVICES), known[chosen]])


def zipf(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Indices below `count`, each about as often as 1 / (index + 1)."""
    return ((count + 1) ** rng.random(size)).astype(np.int64).clip(1, count) - 1


def path_of(asset: str) -> pl.Expr:
    """The path of an asset by its number."""
    suffix = (pl.col(asset) % len(SUFFIXES)).replace_strict(dict(enumerate(SUFFIXES)))
    return pl.format("sub-{}/asset-{}{}", pl.col(asset) // 7, asset, suffix)


def write_assigned(folder: Path, usage: pl.DataFrame) -> tuple[list[str], list[Path]]:
    """Write each month's usage by Dandiset and day; returns the months and the files."""
    typed = usage.lazy().with_columns(asset_type())
    daily = add_up(typed, ["dandiset", "asset_type", "date"]).sort("dandiset", "date").collect()
    months, paths = [], []
    by_month = daily.with_columns(month=pl.col("date").dt.strftime("%Y-%m"))
    for (month,), rows in sorted(by_month.partition_by(["month"], as_dict=True).items()):
        months.append(month)
        paths.append(folder / f"{month}.dandisets_by_day.parquet")
        write_table(rows, paths[-1], DANDISETS_BY_DAY)
    write_table(
        add_up(usage.lazy(), ["dandiset", "region"]),
        folder / "dandisets_by_region.parquet",
        DANDISETS_BY_REGION,
    )
    write_table(
        add_up(usage.lazy(), ["dandiset", "object_key"]).with_columns(
            first_date=FIRST_DAY,
            last_date=FIRST_DAY,
            owner=pl.lit(True),
            digest=pl.lit(0, pl.UInt64),
        ),
        folder / "objects.parquet",
        DIGESTS,
    )
    return months, paths


def write_activity(folder: Path, usage: pl.DataFrame) -> None:
    """Write how many asked, and where the objects stand."""
    requesters = usage.group_by("dandiset").agg(pl.col("address").n_unique()).sort("dandiset")
    write_json(
        folder / "gathered.json",
        {
            "archive": {"number_of_requesters": usage["address"].n_unique()},
            "dandisets": {
                name: {"number_of_requesters": count} for name, count in requesters.iter_rows()
            },
        },
    )
    placed = placements(usage)
    for (name,), rows in placed.partition_by(BY_DANDISET, as_dict=True).items():
        write_table(rows, folder / f"{name}.assets.parquet", PLACEMENTS)
    write_table(placed.clear(), folder / f"{UNDETERMINED}.assets.parquet", PLACEMENTS)


def placements(usage: pl.DataFrame) -> pl.DataFrame:
    """Where the objects stand: `dandiset`, `PLACEMENTS`."""
    objects = usage.select("dandiset", "object_key", "asset", "asset_path").unique().sort(pl.all())
    return pl.concat(
        objects.filter(
            pl.col("dandiset") != UNDETERMINED,
            pl.col("asset") <= share * pl.col("asset").max().over("dandiset"),
        ).select(
            "dandiset",
            "object_key",
            "asset_path",
            version=pl.lit(version),
            path="asset_path",
        )
        for version, share in VERSIONS.items()
    )


def write_accounting(path: Path, usage: pl.DataFrame) -> None:
    """Write the accounts of the days: their requests, and as many lines that do not count."""
    kept = usage.group_by("date").agg(kept=pl.col("number_of_requests").sum()).sort("date")
    classes = {name: pl.lit(0) for name in CLASSES} | {
        "other_operation": pl.col("kept"),
        "kept": pl.col("kept"),
    }
    kept.select("date", lines=pl.col("kept") * 2, **classes).write_csv(path, separator="\t")


def write_mapped(folder: Path, by_day: list[Path]) -> None:
    """Write the archive's figures and all totals."""
    mapped, assigned = folder / "mapped", folder / "assigned"
    totals.main(
        by_day=by_day,
        by_region=[assigned / "dandisets_by_region.parquet"],
        objects=[assigned / "objects.parquet"],
        gathered=folder / "activity/gathered.json",
        archive_by_day=mapped / "archive_summary_by_day.tsv",
        archive_by_region=mapped / "archive_summary_by_region.tsv",
        archive_by_type=mapped / "archive_summary_by_asset_type_per_week.tsv",
        dandisets=mapped / "all_dandiset_totals.json",
        archive=mapped / "archive_totals.json",
    )


def write_dandiset(folder: Path, usage: pl.DataFrame, totals_of_it: dict[str, Any]) -> None:
    """Write the figures of a Dandiset."""
    folder.mkdir()
    regions = usage["region"].unique().sort()
    activity = add_up(usage, "object_key").sort("object_key").with_columns(owner=pl.lit(True))
    numbered = usage.join(activity.select("object_key").with_row_index("row"), on="object_key")
    region = pl.col("region").cast(pl.Enum(regions)).to_physical()
    by_label = pl.concat(
        add_up(numbered.with_columns(label=label), ["row", "label"])
        for label in (label_of_day(pl.col("date")), label_of_region(region))
    )
    placed = usage.select(
        "object_key", "asset_path", version=pl.lit(""), path="asset_path"
    ).unique()
    if folder.name == UNDETERMINED:
        placed = placed.clear()
    places = summarized(activity, placed)
    write_summaries(folder, summaries(activity, by_label, regions, places))
    write_json(folder / "dandiset_totals.json", totals_of_it)
