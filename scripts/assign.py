"""Assign a month's requests to Dandisets, with the region in place of the address."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import _kept_memory  # noqa: F401
import _threads  # noqa: F401
import polars as pl
from _digests import label_hashes, mixed
from _lists import looked_up
from _log import logging_to
from _numbers import apart, pair
from _runs import (
    AT_ONCE,
    PORTION,
    ROW_GROUP_SIZE,
    ROW_GROUP_SIZE_OF_LARGE_MONTH,
    Runs,
    folder_beside,
)
from _tables import (
    ASSIGNED,
    BINNED,
    DANDISETS_BY_DAY,
    DANDISETS_BY_REGION,
    DIGESTS,
    LABELS,
    REQUESTERS,
    ROUTES,
    UNDETERMINED,
    USAGE,
    from_frames,
    write_table,
)
from _usage import (
    COUNTED,
    FIRST_REGION,
    OTHER_TYPE,
    add_up,
    counts,
    day_of,
    label_of_day,
    label_of_region,
    region_of,
)

log = logging.getLogger(__name__)

SLICE = 4_000_000
"""Requests that are taken out of their lists at once."""
ROW_GROUP_SIZE_OF_USAGE = 1 << 15
"""Of tables without lists, so that a Dandiset's job reads little of what is not its own."""
ROOM_FOR_USERS = 256 << 20
"""Bytes; who used which Dandiset is noted in a table with a bit for each pair up to this size."""


class Holders:
    """Who holds the objects of a month.

    A *holder* is a Dandiset together with an object that it holds, or `undetermined`, whose objects
    are not told apart: their key is empty. Holders are numbered in the order of Dandiset and key.

    Attributes:
        table: `dandiset`, `object_key`, `owner`, `asset_type`, a row a holder.
        of_objects: `object`, `holder`: every object with each of its holders, by both.
        dandisets: The Dandisets, sorted, and `undetermined`.
        owning: The number of the Dandiset that owns an object, by the number of the object.
    """

    def __init__(self, keys: pl.Series, routes: pl.DataFrame) -> None:
        """Number the holders.

        Args:
            keys: The object keys by the number of the object.
            routes: `ROUTES`.
        """
        nobody = pl.DataFrame([("", UNDETERMINED, True, OTHER_TYPE)], dict(ROUTES), orient="row")
        self.table = pl.concat([routes.select(ROUTES.names()), nobody]).sort(
            "dandiset", "object_key"
        )
        self.undetermined = len(self.table) - 1
        of_objects = (
            keys.to_frame("object_key")
            .with_row_index("object")
            .join(self.table.with_row_index("holder"), on="object_key", how="left")
            .with_columns(
                pl.col("holder").fill_null(self.undetermined), pl.col("owner").fill_null(True)
            )
            .sort("object", "holder")
        )
        self.dandisets = self.table["dandiset"].unique(maintain_order=True)
        number = self.table["dandiset"].rle_id()
        self.owning = number.gather(of_objects.filter("owner")["holder"])
        self.of_objects = of_objects.select("object", "holder")

    def usage(self, usage: pl.DataFrame) -> pl.DataFrame:
        """Usage by holder and label.

        Args:
            usage: Usage by `object` and `label`, sorted, a row for both.

        Returns:
            `holder`, `label` and the counts, by both.
        """
        objects = usage.select(pl.col("object").rle()).unnest("object")
        held = (
            objects.select(
                object="value", size="len", begin=pl.col("len").cum_sum() - pl.col("len")
            )
            .join(self.of_objects, on="object")
            .sort("holder", "begin")
            .with_columns(row=pl.int_ranges("begin", pl.col("begin") + pl.col("size")))
        )
        is_known = pl.col("holder") != self.undetermined
        rows = held.filter(is_known).select("holder", "row").explode("row")
        of_known = usage.select(pl.exclude("object").gather(rows["row"])).insert_column(
            0, rows["holder"]
        )
        unknown = held.filter(~is_known)["row"].explode()
        of_unknown = add_up(usage.select(pl.exclude("object").gather(unknown)), "label").sort(
            "label"
        )
        holder = pl.lit(self.undetermined, pl.UInt32).alias("holder")
        return pl.concat([of_known, of_unknown.select(holder, pl.all())])

    def objects(self, objects: pl.DataFrame) -> pl.DataFrame:
        """Usage by holder.

        Args:
            objects: Usage by `object`.

        Returns:
            `holder`, the columns of `DIGESTS`, by holder.
        """
        of_holders = (
            objects.join(self.of_objects, on="object")
            .group_by("holder")
            .agg(
                pl.col(*COUNTED, "digest").sum(),
                pl.col("first_date").min(),
                pl.col("last_date").max(),
            )
            .sort("holder")
        )
        names = self.table.select(pl.all().gather(of_holders["holder"]))
        return pl.concat([names, of_holders], how="horizontal")

    def of_dandisets(self, usage: pl.DataFrame) -> pl.DataFrame:
        """What usage comes to for the Dandisets that own the objects.

        Args:
            usage: By `holder` and `label`.

        Returns:
            `dandiset`, `asset_type`, `label` and the counts, by the first three.
        """
        by = ["dandiset", "asset_type"]
        groups = self.table.select(by).unique().sort(by)
        numbered = self.table.join(groups.with_row_index("group"), on=by, maintain_order="left")
        of_holder = numbered.select(pl.col("group", "owner").gather(usage["holder"]))
        return summed(usage, of_holder["group"], groups, of_holder["owner"])


def summed(
    usage: pl.DataFrame, group: pl.Series, groups: pl.DataFrame, counted: pl.Series | None = None
) -> pl.DataFrame:
    """Usage by group and label.

    Args:
        usage: `label`, the counts.
        group: The number of the group of each row.
        groups: What the groups are, by number.
        counted: Which rows count; else all.

    Returns:
        The columns of `groups`, `label` and the counts, in the order of the groups.
    """
    rows = usage.lazy().select(*COUNTED, pair=pair(group, usage["label"]))
    rows = rows if counted is None else rows.filter(counted)
    sums = apart(add_up(rows, "pair").sort("pair").collect(), "group", "label")
    return pl.concat([groups.select(pl.all().gather(sums["group"])), sums], how="horizontal").drop(
        "group"
    )


def chunks(binned: Path, rows: pl.DataFrame, at_once: int) -> Iterator[pl.DataFrame]:
    """The bins of a month, some row groups at a time: one is read as a whole.

    Args:
        binned: `BINNED`.
        rows: `object`, `size` and `status` of each of its rows.
        at_once: About how many requests a chunk may have.

    Yields:
        `object`, and the lists of `BINNED`.
    """
    is_large = rows["size"].sum() > AT_ONCE
    group_size = ROW_GROUP_SIZE_OF_LARGE_MONTH if is_large else ROW_GROUP_SIZE
    parts = (
        rows.with_columns(
            chunk=(pl.col("size").cum_sum() - 1) // at_once,
            group=pl.int_range(pl.len()) // group_size,
        )
        .with_columns(pl.col("chunk").first().over("group"))
        .partition_by("chunk", maintain_order=True)
    ) or [rows]
    done = 0
    for part in parts:
        chunk = (
            pl.scan_parquet(binned, schema=BINNED)
            .select(pl.exclude("object_key", "status"))
            .slice(done, len(part))
            .collect()
        )
        done += len(part)
        yield chunk.with_columns(part["object"], part["status"])


def slices(chunk: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The rows of a chunk, about `SLICE` requests at a time."""
    size = chunk["status"].list.len().cast(pl.Int64)
    # A month without requests has a slice without any, or else there is nothing to add up.
    ends = (size.cum_sum() // SLICE).rle().struct.field("len").cum_sum().to_list() or [0]
    for begin, end in zip([0, *ends], ends, strict=False):
        yield chunk[begin:end]


class Sums(Protocol):
    """What a month's requests add up to, slice by slice."""

    def add(self, rows: pl.DataFrame) -> None:
        """Add a slice of the bins, in their order: `object`, and the lists of `BINNED`."""

    def usage(self) -> pl.DataFrame:
        """`object`, `label`, the counts: a row for each day and region of an object, sorted."""

    def objects(self) -> pl.DataFrame:
        """`object`, the counts, `first_date`, `last_date`, `digest`: a row an object, sorted."""

    def requesters(self) -> pl.DataFrame:
        """`owning`, the number of a Dandiset, `ip`: who used what it owns, sorted."""


class Expressions:
    """The `Sums`, by expressions of Polars."""

    def __init__(self, owning: pl.Series, region_of_ip: pl.Series, hashes: pl.Series) -> None:
        """Begin with nothing.

        Args:
            owning: The number of the Dandiset that owns an object, by the number of the object.
            region_of_ip: The number of the region by the number of the address.
            hashes: Of the region labels, by number.
        """
        self._owning = owning
        self._region_of_ip = region_of_ip
        self._mixed = mixed(hashes)
        self._daily: list[pl.DataFrame] = []
        self._regional: list[pl.DataFrame] = []
        self._requesters: list[pl.DataFrame] = []

    def add(self, rows: pl.DataFrame) -> None:
        """Add a slice."""
        place = pl.int_ranges(pl.col("status").list.len(), dtype=pl.UInt32)
        requests = (
            rows.with_columns(place=place)
            .explode("place", "timestamp", "ip", "bytes_sent", "status")
            .lazy()
            .with_columns(region=pl.lit(self._region_of_ip).gather(pl.col("ip")))
        )
        day = label_of_day(pl.col("timestamp").dt.date())
        owning = pl.lit(self._owning).gather(pl.col("object"))
        daily, regional, requesters = pl.collect_all(
            [
                # The requests of an object are in the order of time. Within `agg`, Polars would
                # work out the mixture object by object.
                requests.select(
                    "bytes_sent",
                    "status",
                    pair=pair(pl.col("object"), day).set_sorted(),
                    digest=self._mixed,
                )
                .group_by("pair")
                .agg(*counts(), pl.col("digest").sum()),
                requests.group_by(
                    pair=pair(pl.col("object"), label_of_region(pl.col("region")))
                ).agg(counts()),
                requests.select(pair=pair(owning, pl.col("ip"))).unique(),
            ]
        )
        self._daily.append(daily)
        self._regional.append(regional)
        self._requesters.append(requesters)

    def usage(self) -> pl.DataFrame:
        """Usage by object and label."""
        # What is sorted is added up quickly; there are about as many pairs as rows.
        parts = [part.select("pair", *COUNTED) for part in (*self._daily, *self._regional)]
        sums = pl.concat(parts).lazy().sort("pair").group_by("pair", maintain_order=True)
        return apart(sums.agg(pl.all().sum()).collect(), "object", "label")

    def objects(self) -> pl.DataFrame:
        """Usage by object."""
        date = day_of(pl.col("label"))
        return (
            apart(pl.concat(self._daily), "object", "label")
            .group_by("object")
            .agg(
                pl.col(COUNTED).sum(),
                first_date=date.min(),
                last_date=date.max(),
                digest=pl.col("digest").sum(),
            )
            .sort("object")
        )

    def requesters(self) -> pl.DataFrame:
        """Who used what."""
        pairs = pl.concat(self._requesters).lazy().unique().collect().sort("pair")
        return apart(pairs, "owning", "ip")


def sums_of(requests: int, holders: Holders, region_of_ip: pl.Series, labels: pl.Series) -> Sums:
    """What adds up a month of so many requests the quickest."""
    hashes = label_hashes(labels.to_list())
    if requests > SLICE:
        # Only here, for it takes a while to load.
        import _adding_up

        dandisets = len(holders.dandisets)
        if _adding_up.bytes_of_users(dandisets, len(region_of_ip)) <= ROOM_FOR_USERS:
            return _adding_up.Loop(holders.owning, dandisets, region_of_ip, hashes)
    return Expressions(holders.owning, region_of_ip, hashes)


def by_holder(chunk: pl.DataFrame, holders: Holders) -> pl.DataFrame:
    """The requests of a chunk for each that holds the object, but for `undetermined`.

    Returns:
        `holder`, `timestamp`, `bytes_sent`, `region`, by holder, then in the order of the bins.
    """
    held = (
        chunk.select("object")
        .with_row_index("row")
        .join(holders.of_objects, on="object")
        .filter(pl.col("holder") != holders.undetermined)
        .sort("holder", "row")
    )
    lists = chunk.select("timestamp", "bytes_sent", "region")
    return lists.select(pl.all().gather(held["row"])).with_columns(held["holder"])


def named(rows: pl.DataFrame, holders: Holders) -> pl.DataFrame:
    """`ASSIGNED`, of rows with the number of the `holder`."""
    names = holders.table.select("dandiset", "object_key")
    return rows.with_columns(names.select(pl.all().gather(rows["holder"])))


def numbered(usage: pl.DataFrame, holders: pl.DataFrame) -> pl.DataFrame:
    """`USAGE`, of usage by holder and label.

    Args:
        usage: Of these holders, by holder.
        holders: Usage of each: `holder`, `DIGESTS`.
    """
    names = holders.select(
        "dandiset", object=pl.int_range(pl.len(), dtype=pl.UInt32).over("dandiset")
    )
    return pl.concat(
        [names.select(pl.all().gather(usage["holder"].rle_id())), usage], how="horizontal"
    )


def main(
    *,
    binned: Path,
    routes: Path,
    regions: Path,
    assigned: Path,
    labels: Path,
    usage: Path,
    dandisets_by_day: Path,
    dandisets_by_region: Path,
    objects: Path,
    requesters: Path,
    asset_logs: bool,
) -> None:
    """Assign a month.

    Args:
        binned: Its bins: `BINNED`.
        routes: The Dandisets of its objects: `ROUTES`.
        regions: The regions of its addresses by number: `REGIONS`.
        assigned: Where the requests go, by Dandiset and object: `ASSIGNED`, sorted. Those of
            `undetermined` are only counted. Without asset logs it has no rows.
        labels: Where the region labels go in the order of their numbers: `LABELS`.
        usage: Usage by Dandiset, object, and day or region: `USAGE`, sorted.
        dandisets_by_day: Usage of what a Dandiset owns by asset type and day: `DANDISETS_BY_DAY`,
            sorted.
        dandisets_by_region: The same by region: `DANDISETS_BY_REGION`, sorted.
        objects: Usage and digest of each object: `DIGESTS`, sorted.
        requesters: Who used which Dandiset, by the number of the address: `REQUESTERS`. Private.
        asset_logs: Whether logs of assets are written, which need the requests themselves.
    """
    region_of_ip = pl.read_parquet(regions).get_column("region")
    names = region_of_ip.unique().sort()
    numbers = region_of_ip.cast(pl.Enum(names)).to_physical().cast(pl.UInt32)
    write_table(names.to_frame("region"), labels, LABELS)

    rows = (
        pl.scan_parquet(binned, schema=BINNED)
        .select(
            "object_key",
            "status",
            object=pl.col("object_key").rle_id(),
            size=pl.col("status").list.len().cast(pl.Int64),
        )
        .collect()
    )
    keys = rows["object_key"].unique(maintain_order=True)
    holders = Holders(keys, pl.read_parquet(routes))
    size = rows["size"].sum()
    sums = sums_of(size, holders, numbers, names)
    with folder_beside(assigned) as folder:
        runs = Runs(folder, by="holder")
        # Requests of a month that are to be put in order stay in memory, if it is not large.
        at_once = PORTION if size > AT_ONCE else AT_ONCE
        for chunk in chunks(binned, rows, at_once if asset_logs else SLICE):
            for part in slices(chunk):
                sums.add(part)
            if asset_logs:
                located = chunk.with_columns(looked_up(chunk["ip"], numbers).alias("region"))
                runs.add(by_holder(located, holders))
        write_table(
            from_frames((named(part, holders) for part in runs.merged()), ASSIGNED),
            assigned,
            ASSIGNED,
            row_group_size=ROW_GROUP_SIZE_OF_LARGE_MONTH if runs.several else ROW_GROUP_SIZE,
        )
    of_holders = holders.objects(sums.objects())
    write_table(of_holders, objects, DIGESTS, row_group_size=ROW_GROUP_SIZE_OF_USAGE)
    by_label = holders.usage(sums.usage())
    write_table(
        numbered(by_label, of_holders),
        usage,
        USAGE,
        row_group_size=ROW_GROUP_SIZE_OF_USAGE,
        compression="lz4",
    )
    of_dandisets = holders.of_dandisets(by_label)
    label = pl.col("label")
    daily, regional = (
        of_dandisets.filter(x) for x in (label < FIRST_REGION, label >= FIRST_REGION)
    )
    write_table(daily.with_columns(day_of(label)), dandisets_by_day, DANDISETS_BY_DAY)
    dandisets = regional.select(pl.col("dandiset").unique(maintain_order=True))
    regional = summed(regional, regional["dandiset"].rle_id(), dandisets)
    write_table(
        regional.with_columns(region_of(label, names)),
        dandisets_by_region,
        DANDISETS_BY_REGION,
    )
    dandiset = pl.lit(holders.dandisets).gather(pl.col("owning")).alias("dandiset")
    write_table(sums.requesters().with_columns(dandiset), requesters, REQUESTERS)
    log.info("%s: %d objects", binned, len(keys))


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            binned=Path(snakemake.input.binned),
            routes=Path(snakemake.input.routes),
            regions=Path(snakemake.input.regions),
            assigned=Path(snakemake.output.assigned),
            labels=Path(snakemake.output.labels),
            usage=Path(snakemake.output.usage),
            dandisets_by_day=Path(snakemake.output.dandisets_by_day),
            dandisets_by_region=Path(snakemake.output.dandisets_by_region),
            objects=Path(snakemake.output.objects),
            requesters=Path(snakemake.output.requesters),
            asset_logs=snakemake.params.asset_logs,
        )
