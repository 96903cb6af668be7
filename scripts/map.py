"""Map the requests of a Dandiset to its assets."""

import errno
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import _threads  # noqa: F401
import polars as pl
from _files import swap, write_json
from _log import logging_to
from _summaries import totals, totals_by_version, write_summary
from _tables import ASSIGNED, BY_DAY, BY_REGION
from _usage import COUNTED, asset_type, by_date, by_label, by_type_per_week

log = logging.getLogger(__name__)

UNDETERMINED = "undetermined"
LOG_HEADER = b"timestamp\tbytes_sent\tregion\n"
REQUESTS_AT_ONCE = 4_000_000


class Assigned:
    """What the months of a Dandiset's activity hold of it."""

    def __init__(self, folder: Path, dandiset: str, months: list[str]) -> None:
        self._folder = folder
        self._dandiset = dandiset
        self._months = months

    def usage(self, kind: str, schema: pl.Schema) -> pl.LazyFrame:
        """Usage by object and `kind`, `by_day` or `by_region`, of all months."""
        paths = [self._folder / f"{month}.{kind}.parquet" for month in self._months]
        return pl.scan_parquet(paths, schema=schema).filter(pl.col("dandiset") == self._dandiset)

    def requests(self, objects: pl.Series) -> pl.DataFrame:
        """The requests of some objects, one row each, in the order of object key and time.

        Returns:
            `object_key`, `timestamp`, `bytes_sent`, `region`.
        """
        months = []
        for month in self._months:
            labels = pl.read_parquet(self._folder / f"{month}.labels.parquet")["region"]
            months.append(
                pl.scan_parquet(self._folder / f"{month}.parquet", schema=ASSIGNED)
                .filter(
                    pl.col("dandiset") == self._dandiset,
                    pl.col("object_key").is_in(objects.implode()),
                )
                .drop("dandiset")
                .explode("timestamp", "bytes_sent", "region")
                .with_columns(region=pl.lit(labels).gather(pl.col("region")))
            )
        return pl.concat(months).sort("object_key", "timestamp", maintain_order=True).collect()


def log_lines(requests: pl.DataFrame) -> pl.DataFrame:
    """The lines of each object's log: `object_key`, `lines`."""
    line = pl.concat_str(
        pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%S"),
        pl.col("bytes_sent"),
        "region",
        separator="\t",
    )
    return requests.group_by("object_key", maintain_order=True).agg(lines=line.str.join("\n"))


def portions(activity: pl.DataFrame, size: int) -> Iterator[pl.Series]:
    """Object keys in portions of about `size` requests."""
    objects = (
        activity.group_by("object_key")
        .agg(pl.col("number_of_requests").sum())
        .sort("object_key")
        .with_columns(portion=pl.col("number_of_requests").cum_sum() // size)
    )
    for portion in objects.partition_by("portion", maintain_order=True):
        yield portion["object_key"]


def write_logs(folder: Path, lines: str, placements: list[tuple[str, str]]) -> None:
    """Write the log of an object for each asset that it is: once, and links for the others."""
    first: Path | None = None
    for version, asset_path in placements:
        target = folder / version / f"{asset_path}.tsv"
        try:
            if target.exists() or any(parent.is_file() for parent in target.parents):
                raise FileExistsError(errno.EEXIST, "something else has its name")
            target.parent.mkdir(parents=True, exist_ok=True)
            if first is None or not linked(first, target):
                target.write_bytes(LOG_HEADER + lines.encode() + b"\n")
                first = first or target
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENAMETOOLONG):
                raise
            reason = "its name is too long" if error.errno == errno.ENAMETOOLONG else error.strerror
            log.warning("%s of version %s gets no log: %s.", asset_path, version, reason)


def linked(first: Path, target: Path) -> bool:
    """Whether `target` could be made a link to `first`: not every file system has links."""
    try:
        os.link(first, target)
    except OSError:
        return False
    return True


def write_version_summaries(
    folder: Path, daily: pl.LazyFrame, regional: pl.LazyFrame, versions: pl.DataFrame
) -> None:
    """Summarize each version over all its assets, whoever owns their content.

    Args:
        folder: The Dandiset's; each version has a folder in it.
        daily: Usage by object and date.
        regional: Usage by object and region.
        versions: `version`, `path`, `object_key`.
    """
    for (version,), assets in versions.partition_by("version", as_dict=True).items():
        listed = assets.lazy().select("object_key", asset_path="path")
        by_day = daily.join(listed, on="object_key")
        by_region = regional.join(listed, on="object_key")
        for kind, table in (
            ("day", by_date(by_day)),
            ("region", by_label(by_region, "region")),
            ("asset", by_label(by_day, "asset_path")),
        ):
            write_summary(table, folder / version / f"version_summary_by_{kind}.tsv")


def write_dandiset_summaries(
    folder: Path, daily: pl.LazyFrame, regional: pl.LazyFrame, names: pl.LazyFrame | None
) -> None:
    """Summarize what a Dandiset owns.

    Args:
        folder: The Dandiset's.
        daily: Usage by object and date.
        regional: Usage by object and region.
        names: `object_key`, `asset_path`; None where objects have no names.
    """
    write_summary(by_date(daily), folder / "dandiset_summary_by_day.tsv")
    write_summary(by_label(regional, "region"), folder / "dandiset_summary_by_region.tsv")
    typed = daily.with_columns(asset_path=pl.lit(""))
    if names is not None:
        typed = daily.join(names, on="object_key")
        write_summary(by_label(typed, "asset_path"), folder / "dandiset_summary_by_asset.tsv")
    write_summary(
        by_type_per_week(typed.with_columns(asset_type(pl.col("asset_path")))),
        folder / "dandiset_summary_by_asset_type_per_week.tsv",
    )


def main(
    *, dandiset: str, activity: Path, assets: Path, assigned: Path, asset_logs: bool, folder: Path
) -> None:
    """Map a Dandiset, or `undetermined`, into a fresh folder and swap it in.

    Args:
        dandiset: Its id.
        activity: The months and objects with requests: `ACTIVITY`.
        assets: Where these objects stand: `PLACEMENTS`.
        assigned: The folder of the assigned months.
        asset_logs: Whether to write the log of every asset.
        folder: Where it goes: `dandiset_summary_by_{day,region,asset,asset_type_per_week}.tsv` and
            `dandiset_totals.json`; per version `version_summary_by_{day,region,asset}.tsv` and the
            log of each asset. Only what has rows is there.
    """
    objects = pl.read_parquet(activity)
    placed = pl.read_parquet(assets)
    versions = placed.filter(pl.col("version") != "")
    source = Assigned(assigned, dandiset, objects["month"].unique().sort().to_list())
    daily = source.usage("by_day", BY_DAY).collect().lazy()
    regional = source.usage("by_region", BY_REGION).collect().lazy()

    fresh = folder.with_name(f".{dandiset}.part")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    owned = objects["owner"].any()
    if owned:
        names = placed.lazy().select("object_key", "asset_path").unique()
        write_dandiset_summaries(
            fresh,
            daily.filter("owner"),
            regional.filter("owner"),
            None if dandiset == UNDETERMINED else names,
        )
    write_version_summaries(fresh, daily, regional, versions)
    if asset_logs and len(versions):
        where = versions.group_by("object_key", maintain_order=True).agg("version", "path")
        places = {key: list(zip(v, p, strict=True)) for key, v, p in where.iter_rows()}
        listed = objects.filter(pl.col("object_key").is_in(where["object_key"].implode()))
        for portion in portions(listed, REQUESTS_AT_ONCE):
            for key, lines in log_lines(source.requests(portion)).iter_rows():
                write_logs(fresh, lines, places[key])
    of_dandiset = totals(regional.filter("owner"), objects["number_of_requesters"][0])
    if dandiset != UNDETERMINED:
        of_dandiset["by_version"] = totals_by_version(
            daily.join(versions.lazy(), on="object_key").select("version", *COUNTED)
        )
    write_json(fresh / "dandiset_totals.json", of_dandiset)
    swap(fresh, folder)
    log.info(
        "%s: %d objects in %d versions", dandiset, len(objects), versions["version"].n_unique()
    )


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            dandiset=snakemake.wildcards.dandiset,
            activity=Path(snakemake.input.activity),
            assets=Path(snakemake.input.assets),
            assigned=Path(snakemake.params.assigned),
            asset_logs=snakemake.params.asset_logs,
            folder=Path(snakemake.output.totals).parent,
        )
