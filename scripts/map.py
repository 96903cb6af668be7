"""Map the requests of a Dandiset to its assets."""

import errno
import io
import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import _threads  # noqa: F401
import polars as pl
from _files import swap, write_json
from _log import logging_to
from _numbers import apart, pair
from _summaries import texts, totals_by_version, totals_of_each, write_summary
from _tables import (
    ACTIVITY,
    ASSIGNED,
    PLACEMENTS,
    TIMESTAMP,
    UNDETERMINED,
    USAGE,
    inside,
)
from _usage import (
    COUNTED,
    FIRST_REGION,
    add_up,
    asset_type,
    by_type_per_week,
    day_of,
    region_of,
    renumbered,
)

log = logging.getLogger(__name__)

LOG_HEADER = b"timestamp\tbytes_sent\tregion\n"
AT_ONCE = 8_000_000
"""Requests that are in memory at once; an object with more is read window by window."""
SLICE = 1_000_000
"""Requests whose lines are in memory at once."""
OWN = ""
"""The folder, in a Dandiset's, of what it owns."""
ROWS_OF_LISTS = 16
"""Rows with lists of which the times are read at once."""
IN_VERSION = pl.col("version") != ""
"""Whether an asset is in a version; others stood in one once."""
LISTS = ("timestamp", "bytes_sent", "region")
REQUESTS = pl.col("timestamp").list.len().cast(pl.Int64).sum().alias("requests")
"""How many requests rows with lists have."""


class Assigned:
    """What the months of a Dandiset's activity hold of it."""

    def __init__(self, folder: Path, dandiset: str, activity: pl.DataFrame) -> None:
        """Args are the folder of the assigned months, the Dandiset, and its `ACTIVITY`."""
        self._folder = folder
        self._dandiset = dandiset
        self._months = activity["month"].unique().sort().to_list()
        self._rows = [(activity["month"] == month).arg_true() for month in self._months]
        self._labels = [
            pl.read_parquet(folder / f"{month}.labels.parquet")["region"] for month in self._months
        ]
        is_only = len(self._labels) == 1
        self.regions = self._labels[0] if is_only else self.labels().unique().sort()
        """The regions of all months, by the number that they have in `usage`; in text order."""

    def usage(self) -> pl.DataFrame:
        """Usage by object and month, and by day or region.

        Returns:
            `row`, the number of the row of `ACTIVITY`, `label`, and the counts.
        """
        of_all = pl.Enum(self.regions)
        parts = []
        for month, rows, labels in zip(self._months, self._rows, self._labels, strict=True):
            label = pl.col("label")
            if len(self._months) > 1:
                label = renumbered(label, labels.cast(of_all).to_physical())
            part = pl.scan_parquet(self._folder / f"{month}.usage.parquet", schema=USAGE)
            parts.append(
                part.filter(pl.col("dandiset") == self._dandiset)
                .select(pl.lit(rows).gather("object").alias("row"), label, *COUNTED)
                .collect()
            )
        return pl.concat(parts)

    def labels(self) -> pl.Series:
        """The region labels of all months, one month after the other."""
        return pl.concat(self._labels)

    def requests(self, objects: pl.Series) -> pl.DataFrame:
        """The requests of some objects, which follow each other in the Dandiset.

        Returns:
            `object_key`, the lists `timestamp`, `bytes_sent`, `region`, and `labels`, the place of
            the row's month in `labels()`; by object key, then in the order of the months.
        """
        wanted = pl.col("object_key").is_between(pl.lit(objects[0]), pl.lit(objects[-1])) & pl.col(
            "object_key"
        ).is_in(objects.implode())
        months = [
            rows.filter(pl.col("dandiset") == self._dandiset, wanted)
            .select("object_key", *LISTS, labels=pl.lit(labels, pl.UInt32))
            .collect()
            for rows, labels in self._rows_of_months()
        ]
        if len(months) == 1:
            return months[0]
        return pl.concat(months).sort("object_key", maintain_order=True)

    def windows(self, object_key: str, size: int) -> Iterator[pl.DataFrame]:
        """The requests of one object, about `size` at a time, window after window of time.

        Yields:
            What `requests` returns, without the key, taken out of its lists, in the order of time.
        """
        spans = pl.concat(
            self._spans(rows, object_key).with_columns(month=month)
            for month, (rows, _) in enumerate(self._rows_of_months())
        ).sort("first", "month", "row")
        begins = (
            spans.group_by((pl.col("size").cum_sum() - pl.col("size")) // size, maintain_order=True)
            .agg(pl.col("first").first())
            .get_column("first")
            .unique()
            .sort()
        )
        months = self._rows_of_months()
        for begin, end in pairwise([*begins, None]):
            touched = spans.filter(
                pl.col("last") >= begin,
                pl.lit(True) if end is None else pl.col("first") < end,
            )
            parts = []
            for (month,), found in (
                touched.sort("month")
                .partition_by("month", as_dict=True, maintain_order=True)
                .items()
            ):
                rows, labels = months[month]
                row, last = found["row"].min(), found["row"].max()
                parts.append(
                    rows.slice(row, last - row + 1)
                    .select(*LISTS, labels=pl.lit(labels, pl.UInt32))
                    .collect()
                    .explode(LISTS)
                    .filter(inside(begin, end))
                )
            yield in_time_order(pl.concat(parts).with_columns(object=pl.lit(0)))

    def _spans(self, rows: pl.LazyFrame, object_key: str) -> pl.DataFrame:
        """The rows of an object in a month: `row`, `first` and `last` time, `size`."""
        found = (
            rows.select("dandiset", "object_key")
            .with_row_index("row")
            .filter(pl.col("dandiset") == self._dandiset, pl.col("object_key") == object_key)
            .select("row")
            .collect()
            .get_column("row")
        )
        begin = found[0] if len(found) else 0
        times = pl.col("timestamp").list
        spans = [
            rows.slice(begin + start, min(ROWS_OF_LISTS, len(found) - start))
            .select(first=times.first(), last=times.last(), size=times.len().cast(pl.Int64))
            .collect()
            for start in range(0, len(found), ROWS_OF_LISTS)
        ]
        empty = pl.DataFrame(schema={"first": TIMESTAMP, "last": TIMESTAMP, "size": pl.Int64})
        return pl.concat([empty, *spans]).with_row_index("row", begin)

    def _rows_of_months(self) -> list[tuple[pl.LazyFrame, int]]:
        """Each month's `ASSIGNED`, and the place of its labels in `labels()`."""
        lengths = [len(labels) for labels in self._labels]
        return [
            (
                pl.scan_parquet(self._folder / f"{month}.parquet", schema=ASSIGNED),
                sum(lengths[:number]),
            )
            for number, month in enumerate(self._months)
        ]


def in_time_order(requests: pl.DataFrame) -> pl.DataFrame:
    """Requests by object and time, those of the same time as they came.

    Args:
        requests: `object`, a number by which they are sorted, and `timestamp`.
    """
    time, key = pl.col("timestamp").to_physical(), pl.col("object")
    back = (time < time.shift()) & (key == key.shift())
    if not requests.select(back.any()).item():
        return requests
    return requests.sort("object", "timestamp", maintain_order=True)


@cache
def times_of_day() -> pl.Series:
    """`T00:00:00` and a tab, …: the text of each second of a day."""
    second = pl.int_range(86_400)
    return pl.select(pl.from_epoch(second).dt.strftime("T%H:%M:%S\t")).to_series()


def log_lines(requests: pl.DataFrame, labels: pl.Series) -> pl.Series:
    """The line of each request in a log, without its end.

    Args:
        requests: `timestamp`, `bytes_sent`, `region`, and `labels`, where its month begins there.
        labels: Region labels.
    """
    second = pl.col("timestamp").to_physical() // 1000
    day = (second // 86_400).cast(pl.Int32)
    times = requests["timestamp"].to_physical()
    first, last = times.min() // 86_400_000, times.max() // 86_400_000
    dates = pl.select(
        pl.int_range(first, last + 1, dtype=pl.Int32).cast(pl.Date).dt.strftime("%Y-%m-%d")
    ).to_series()
    return requests.select(
        pl.concat_str(
            pl.lit(dates).gather(day - first),
            pl.lit(times_of_day()).gather(second - day.cast(pl.Int64) * 86_400),
            "bytes_sent",
            pl.lit("\t" + labels).gather(pl.col("region") + pl.col("labels")),
        )
    ).to_series()


def as_text(lines: pl.Series) -> memoryview:
    """Lines with their ends, as bytes."""
    text = io.BytesIO()
    lines.to_frame().write_csv(text, include_header=False, quote_style="never")
    return text.getbuffer()


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


def objects_of(rows: pl.DataFrame, size: int) -> Iterator[pl.DataFrame]:
    """Rows with lists, by `object`: whole objects of about `size` requests at a time."""
    objects = rows.group_by("object", maintain_order=True).agg(pl.len(), REQUESTS)
    parts = objects.group_by(pl.col("requests").cum_sum() // size, maintain_order=True)
    done = 0
    for count in parts.agg(pl.col("len").sum())["len"]:
        yield rows[done : done + count]
        done += count


def texts_of_objects(rows: pl.DataFrame, labels: pl.Series) -> Iterator[tuple[str, memoryview]]:
    """Each object key of some rows, which are by object key, and the lines of its log."""
    for part in objects_of(rows.with_columns(object=pl.col("object_key").rle_id()), SLICE):
        lines = log_lines(in_time_order(part.drop("object_key").explode(LISTS)), labels)
        text = as_text(lines)
        ends = (lines.str.len_bytes().cast(pl.Int64) + 1).cum_sum()
        objects = part.group_by("object_key", maintain_order=True).agg(REQUESTS)
        end = ends.gather(objects["requests"].cum_sum() - 1)
        begin = 0
        for key, upto in zip(objects["object_key"], end, strict=True):
            yield key, text[begin:upto]
            begin = upto


def texts_of_object(windows: Iterable[pl.DataFrame], labels: pl.Series) -> Iterator[memoryview]:
    """The lines of the log of one object, some at a time."""
    for window in windows:
        for part in window.iter_slices(SLICE):
            yield as_text(log_lines(part, labels))


class Logs:
    """The logs of a Dandiset's assets: one for each place of an object."""

    def __init__(self, folder: Path, versions: pl.DataFrame) -> None:
        """Args are the Dandiset's folder, and `version`, `path`, `object_key` of its assets."""
        self._folder = folder
        self._made: set[str] = set()
        where = versions.group_by("object_key", maintain_order=True).agg("version", "path")
        self._places = {key: list(zip(v, p, strict=True)) for key, v, p in where.iter_rows()}

    def write(self, object_key: str, texts: Iterable[memoryview]) -> None:
        """Write the log of an object for each asset that it is: once, and links for the others."""
        first: str | None = None
        for version, asset_path in self._places[object_key]:
            target = f"{self._folder}/{version}/{asset_path}.tsv"
            try:
                self._make_folder(target.rpartition("/")[0])
                if first is None:
                    write_new(target, texts)
                    first = target
                else:
                    link_or_copy(first, target)
            except OSError as error:
                reason = REASONS.get(error.errno)
                if reason is None:
                    raise
                log.warning("%s of version %s gets no log: %s.", asset_path, version, reason)

    def _make_folder(self, folder: str) -> None:
        if folder not in self._made:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._made.add(folder)


TAKEN = "something else has its name"
REASONS = {
    errno.EEXIST: TAKEN,
    errno.ENOTDIR: TAKEN,
    errno.ENAMETOOLONG: "its name is too long",
}
"""Why an asset may get no log."""


def write_new(target: str, texts: Iterable[memoryview]) -> None:
    """Write a log to a file that is not there yet."""
    # There are many logs, most of them small: a buffered file takes a tenth longer.
    file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        begin = LOG_HEADER
        for text in texts:
            write_all(file, begin + text)
            begin = b""
        write_all(file, begin)
    finally:
        os.close(file)


def write_all(file: int, content: bytes) -> None:
    """Write to a file descriptor, which may take a part at a time."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]


def link_or_copy(first: str, target: str) -> None:
    """Make `target` a link to `first`, or a copy: not every file system has links."""
    try:
        os.link(first, target)
    except OSError as error:
        if error.errno in REASONS:
            raise
        shutil.copyfile(first, target)


def summarized(objects: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """Which objects are summarized together.

    Args:
        objects: The months and objects with requests: `ACTIVITY`.
        placed: Where these objects stand: `PLACEMENTS`.

    Returns:
        `object_key`, `folder`, an Enum, `asset_path`, `asset_type`. In the folder of a version are
        all its assets, whoever owns their content, without a type; in `OWN` is what the Dandiset
        owns, by its newest path if it has one.
    """
    in_versions = placed.filter(IN_VERSION)
    folders = pl.Enum([OWN, *in_versions["version"].unique()])
    newest = placed.unique("object_key")
    owned = objects.filter("owner").unique("object_key").join(newest, on="object_key", how="left")
    no_type = pl.lit(None, pl.String).alias("asset_type")
    return pl.concat(
        [
            owned.select(
                "object_key",
                pl.lit(OWN, folders).alias("folder"),
                "asset_path",
                asset_type(),
            ),
            in_versions.select(
                "object_key",
                pl.col("version").cast(folders).alias("folder"),
                pl.col("path").alias("asset_path"),
                no_type,
            ),
        ]
    )


def in_same_folders(places: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Bring objects together that are in the same folders, and of the same type where owned.

    There are few such sets: most of what is in one version is in the next. Adding up usage over
    them first spares a row for each object and version.

    Args:
        places: What `summarized` returns.

    Returns:
        `object_key`, `set`, a row an object; and `set`, `folder`, `asset_type`, a row for each
        folder, or two where objects are in it twice.
    """
    sets = (
        places.group_by("object_key")
        .agg(pl.col("folder").sort(), pl.col("asset_type").max())
        .group_by("folder", "asset_type")
        .agg("object_key")
        .with_row_index("set")
    )
    return (
        sets.select("object_key", "set").explode("object_key"),
        sets.select("set", "folder", "asset_type").explode("folder"),
    )


class Summaries(NamedTuple):
    """The summaries of a Dandiset and of its versions, in the order in which they are written.

    Attributes:
        by_day: `folder`, which is `OWN` or a version, `date`, as text, and the counts.
        by_region: The same with `region`.
        by_asset: The same with `asset_path`.
        by_type: Bytes per week and asset type of what the Dandiset owns.
    """

    by_day: pl.DataFrame
    by_region: pl.DataFrame
    by_asset: pl.DataFrame
    by_type: pl.DataFrame


def summaries(
    activity: pl.DataFrame, usage: pl.DataFrame, regions: pl.Series, places: pl.DataFrame
) -> Summaries:
    """Add up the summaries of a Dandiset and of each of its versions.

    Args:
        activity: `object_key` and the counts.
        usage: By `row` of the activity, and `label`.
        regions: By number.
        places: What `summarized` returns.
    """
    members, sets = in_same_folders(places)
    set_of_row = activity.join(members, on="object_key", how="left", maintain_order="left")["set"]
    # What is in no set has none here, and is joined to nothing below.
    in_set = usage.select(*COUNTED, pair=pair(pl.lit(set_of_row).gather("row"), pl.col("label")))
    of_sets = apart(add_up(in_set, "pair"), "set", "label")
    in_folder = of_sets.join(sets, on="set").select(
        *COUNTED, pair=pair(pl.col("label"), pl.col("folder").to_physical())
    )
    of_folders = apart(add_up(in_folder, "pair").sort("pair"), "label", "folder").with_columns(
        pl.col("folder").cat.to(places["folder"].dtype)
    )
    # By label, that is, the days before the regions.
    days = of_folders["label"].search_sorted(FIRST_REGION)
    label = pl.col("label")
    by_asset = places.drop_nulls("asset_path").join(add_up(activity, "object_key"), on="object_key")
    of_assets = add_up(by_asset, ["folder", "asset_path"]).sort("asset_path")
    owned_daily = of_sets.filter(label < FIRST_REGION).join(
        sets.filter(pl.col("folder") == OWN), on="set"
    )
    return Summaries(
        of_folders[:days].select("folder", day_of(label).cast(pl.String), *COUNTED),
        most_bytes_first(of_folders[days:].select("folder", region_of(label, regions), *COUNTED)),
        most_bytes_first(of_assets),
        by_type_per_week(owned_daily.with_columns(day_of(label))),
    )


def most_bytes_first(usage: pl.DataFrame) -> pl.DataFrame:
    """Usage by bytes; what has as many stays in its order."""
    return usage.sort("bytes_sent", descending=True, maintain_order=True)


def write_summaries(folder: Path, made: Summaries) -> int:
    """Write the summaries of a Dandiset, and those of each version in a folder in it.

    Returns:
        How many versions have usage.
    """
    names = {OWN}
    for kind, usage in (
        ("day", made.by_day),
        ("region", made.by_region),
        ("asset", made.by_asset),
    ):
        for name, text in texts(usage, "folder"):
            if name not in names:
                (folder / name).mkdir(exist_ok=True)
                names.add(name)
            beginning = "dandiset" if name == OWN else "version"
            (folder / name / f"{beginning}_summary_by_{kind}.tsv").write_text(text, "utf-8")
    if not made.by_type.is_empty():
        write_summary(made.by_type, folder / "dandiset_summary_by_asset_type_per_week.tsv")
    return len(names - {OWN})


def totals_of(dandiset: str, made: Summaries, number_of_requesters: int) -> dict[str, Any]:
    """The totals of a Dandiset; but for `undetermined` they have `by_version`.

    Args:
        dandiset: Its id.
        made: Its summaries.
        number_of_requesters: As counted over all time.
    """
    is_own, name = pl.col("folder") == OWN, pl.lit(dandiset).alias("dandiset")
    owned = made.by_region.filter(is_own).with_columns(name)
    found = totals_of_each(owned, {dandiset: number_of_requesters})[dandiset]
    if dandiset != UNDETERMINED:
        of_assets = made.by_asset.filter(~is_own).select(name, *COUNTED, version="folder")
        found["by_version"] = totals_by_version(of_assets).get(dandiset, {})
    return found


def write_logs(
    folder: Path, source: Assigned, objects: pl.DataFrame, versions: pl.DataFrame
) -> None:
    """Write the log of every asset of a version.

    Args:
        folder: The Dandiset's.
        source: Its requests.
        objects: The months and objects with requests: `ACTIVITY`.
        versions: `version`, `path`, `object_key`.
    """
    labels = source.labels()
    logs = Logs(folder, versions)
    listed = objects.join(versions, on="object_key", how="semi")
    is_large = pl.col("number_of_requests").sum().over("object_key") > AT_ONCE
    for portion in portions(listed.filter(~is_large), AT_ONCE):
        for key, text in texts_of_objects(source.requests(portion), labels):
            logs.write(key, [text])
    for key in listed.filter(is_large)["object_key"].unique(maintain_order=True):
        logs.write(key, texts_of_object(source.windows(key, AT_ONCE), labels))


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
    objects, placed = pl.collect_all(
        [
            pl.scan_parquet(activity, schema=ACTIVITY),
            pl.scan_parquet(assets, schema=PLACEMENTS),
        ]
    )
    source = Assigned(assigned, dandiset, objects)
    made = summaries(objects, source.usage(), source.regions, summarized(objects, placed))

    fresh = folder.with_name(f".{dandiset}.part")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    versions = write_summaries(fresh, made)
    if asset_logs:
        write_logs(fresh, source, objects, placed.filter(IN_VERSION))
    write_json(
        fresh / "dandiset_totals.json",
        totals_of(dandiset, made, objects["number_of_requesters"][0]),
    )
    swap(fresh, folder)
    log.info("%s: %d objects in %d versions", dandiset, len(objects), versions)


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
