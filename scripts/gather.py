"""Gather what every month has of every Dandiset."""

import hashlib
import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

import _threads  # noqa: F401
import polars as pl
from _files import write_json
from _log import logging_to
from _numbers import Numbers, first_of, pair, second_of
from _tables import ACTIVITY, PLACEMENTS, scan_dandisets, write_if_changed

log = logging.getLogger(__name__)

USES_AT_ONCE = 16_000_000
"""Uses of a Dandiset by an address that are put aside before those of several months are joined."""


def count_requesters(
    requesters: Iterable[Path], hashes: Iterable[Path]
) -> tuple[pl.DataFrame, int]:
    """Distinct requesters of each Dandiset over all months, and of the whole archive.

    Args:
        requesters: Who used which Dandiset, a table a month: `REQUESTERS`.
        hashes: The hashes of each month's addresses: `HASHES`.

    Returns:
        `dandiset`, `number_of_requesters`; and the number of the archive.
    """
    dandisets, people = Numbers(), Numbers()
    uses = [pl.Series("use", dtype=pl.UInt64)]
    for who, keys in zip(requesters, hashes, strict=True):
        person = people.of(pl.read_parquet(keys)["hash"].bin.encode("hex"))
        of_month = pl.read_parquet(who)
        dandiset = dandisets.of(of_month["dandiset"])
        uses.append(pair(dandiset, person.gather(of_month["ip"])).alias("use"))
        if sum(map(len, uses[1:])) > USES_AT_ONCE:
            uses = [pl.concat(uses).unique()]
    unique = pl.concat(uses).unique()
    names = dandisets.texts()
    per_dandiset = (
        pl.select(dandiset=first_of(unique))
        .group_by("dandiset")
        .agg(pl.len().cast(pl.Int64).alias("number_of_requesters"))
    )
    return (
        per_dandiset.with_columns(pl.lit(names).gather(pl.col("dandiset")).alias("dandiset")),
        second_of(unique).n_unique(),
    )


def activity_of(months: list[str], objects: list[Path], requesters: pl.DataFrame) -> pl.DataFrame:
    """Every Dandiset's objects by month, with the digest of their requests: `ACTIVITY`, sorted."""
    tables = [
        pl.scan_parquet(path).drop("first_date", "last_date").with_columns(month=pl.lit(month))
        for month, path in zip(months, objects, strict=True)
    ]
    if not tables:
        return pl.DataFrame(schema={"dandiset": pl.String, **ACTIVITY})
    return (
        pl.concat(tables)
        .join(requesters.lazy(), on="dandiset", how="left")
        .with_columns(pl.col("number_of_requesters").fill_null(0))
        .sort("dandiset", "object_key", "month")
        .collect()
    )


def placements_of(
    activity: pl.DataFrame, assets: pl.LazyFrame, objects: pl.LazyFrame
) -> pl.DataFrame:
    """The assets of each Dandiset whose objects have activity: `dandiset`, `PLACEMENTS`, sorted."""
    active = activity.lazy().select("dandiset", "object_key").unique()
    return (
        assets.join(active, on=["dandiset", "object_key"], how="semi")
        .join(objects.select("dandiset", "object_key", "asset_path"), on=["dandiset", "object_key"])
        .sort("dandiset", "object_key", "version", "path")
        .collect()
    )


def unchanged(rows: pl.DataFrame, stored: pl.LazyFrame) -> set[str]:
    """The Dandisets whose table has the rows already that it shall have.

    To look at all tables at once is much quicker than to write each to see whether it differs.

    Args:
        rows: `dandiset`, and the columns of the tables.
        stored: The same, as it stands there.
    """
    try:
        now, before = (
            table.select(stored.collect_schema().names()).group_by("dandiset").agg(pl.all())
            for table in (rows, stored.collect())
        )
    except pl.exceptions.PolarsError:  # One is damaged, or of an earlier contract.
        return set()
    same = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(f"{name} before")) for name in now.columns[1:]
    )
    return {*now.join(before, on="dandiset", suffix=" before").filter(same)["dandiset"]}


def write_changed(
    rows: pl.DataFrame, dandisets: list[str], folder: Path, end: str, schema: pl.Schema
) -> set[str]:
    """Write the tables of Dandisets, `{dandiset}{end}`, where they changed: of these."""
    there = [name for name in dandisets if (folder / f"{name}{end}").exists()]
    same = unchanged(rows, scan_dandisets(folder, there, end, schema))
    others = rows.filter(~pl.col("dandiset").is_in(list(same)))
    of_each = others.partition_by("dandiset", as_dict=True)
    nothing = rows.clear()
    return {
        name
        for name in dandisets
        if name not in same
        and write_if_changed(of_each.get((name,), nothing), folder / f"{name}{end}", schema)
    }


def content_digest(*paths: Path) -> str:
    """SHA-256 over the content of files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def delete_all_but(dandisets: set[str], activity: Path, mapped: Path) -> None:
    """Delete what is left of Dandisets that have no activity any more."""
    for path in activity.glob("*.parquet"):
        if path.name.split(".")[0] not in dandisets:
            path.unlink()
    for path in mapped.glob("*/"):
        if path.name not in dandisets:
            shutil.rmtree(path)
            log.info("%s has no activity any more: deleted", path)


def main(
    *,
    months: list[str],
    objects: list[Path],
    requesters: list[Path],
    hashes: list[Path],
    dandiset_assets: Path,
    dandiset_objects: Path,
    gathered: Path,
    mapped: Path,
) -> None:
    """Write the activity of each Dandiset, where it changed.

    Args:
        months: `2022-05` each.
        objects: Their objects with digests: `DIGESTS`.
        requesters: Their requesters: `REQUESTERS`.
        hashes: Their hashes: `HASHES`.
        dandiset_assets: `ASSETS`.
        dandiset_objects: `OBJECTS`.
        gathered: Where the list of Dandisets goes. Beside it stand `{dandiset}.parquet`,
            `ACTIVITY`, and `{dandiset}.assets.parquet`, `PLACEMENTS`.
        mapped: The folder of mapped Dandisets. What has no activity any more is deleted there.
    """
    folder = gathered.parent
    users, of_archive = count_requesters(requesters, hashes)
    activity = activity_of(months, objects, users)
    placements = placements_of(
        activity, pl.scan_parquet(dandiset_assets), pl.scan_parquet(dandiset_objects)
    )
    of_each = activity.group_by("dandiset", maintain_order=True).agg(
        pl.col("number_of_requesters").first(), pl.col("number_of_requests").sum()
    )
    names = of_each["dandiset"].to_list()
    changed = write_changed(activity, names, folder, ".parquet", ACTIVITY)
    changed |= write_changed(placements, names, folder, ".assets.parquet", PLACEMENTS)
    for dandiset in sorted(changed):
        log.info("%s: changed", dandiset)
    dandisets = {
        dandiset: {
            "number_of_requesters": requesters,
            "number_of_requests": requests,
            "content": content_digest(
                folder / f"{dandiset}.parquet", folder / f"{dandiset}.assets.parquet"
            ),
        }
        for dandiset, requesters, requests in of_each.iter_rows()
    }
    delete_all_but(set(dandisets), folder, mapped)
    write_json(gathered, {"archive": {"number_of_requesters": of_archive}, "dandisets": dandisets})


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            months=snakemake.params.months,
            objects=[Path(path) for path in snakemake.input.objects],
            requesters=[Path(path) for path in snakemake.input.requesters],
            hashes=[Path(path) for path in snakemake.input.hashes],
            dandiset_assets=Path(snakemake.input.dandiset_assets),
            dandiset_objects=Path(snakemake.input.dandiset_objects),
            gathered=Path(snakemake.output.gathered),
            mapped=Path(snakemake.params.mapped),
        )
