"""Assign a month's requests to Dandisets, with the region in place of the address."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import _threads  # noqa: F401
import polars as pl
from _lists import looked_up
from _log import logging_to
from _numbers import first_of, pair, second_of
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
    BY_DAY,
    BY_REGION,
    DANDISETS_BY_DAY,
    DANDISETS_BY_REGION,
    DIGESTS,
    LABELS,
    REQUESTERS,
    ROUTES,
    UNDETERMINED,
    from_frames,
    write_table,
)
from _usage import COUNTED, OTHER_TYPE, add_up, counts

log = logging.getLogger(__name__)

SLICE = 4_000_000
"""Requests that are taken out of their lists at once."""
ROW_GROUP_SIZE_OF_USAGE = 1 << 14
"""Of tables without lists, so that a Dandiset's job reads little of what is not its own."""
FIRST_DATE = -(1 << 31)
"""The number of the earliest date of all, from which days are counted where numbers are paired."""


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

    def usage(self, parts: list[pl.DataFrame]) -> pl.DataFrame:
        """Usage by holder and another number.

        Args:
            parts: Usage by `pair`, of an object and another number.

        Returns:
            `dandiset`, `object_key`, `owner`, `asset_type`, `other` and the usage, by holder and
            the other number.
        """
        usage = (
            pl.concat(parts)
            .lazy()
            .with_columns(object=first_of(pl.col("pair")))
            .join(self.of_objects.lazy(), on="object")
            .with_columns(pair=pair(pl.col("holder"), second_of(pl.col("pair"))))
            .drop("object", "holder")
            .group_by("pair")
            .agg(pl.all().sum())
            .sort("pair")
            .collect()
        )
        holder = usage.select(first_of(pl.col("pair"))).to_series()
        return pl.concat(
            [
                self.table.select(pl.all().gather(holder)),
                usage.select(other=second_of(pl.col("pair"))),
                usage.drop("pair"),
            ],
            how="horizontal",
        )


def chunks(binned: Path, rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The bins of a month, about `AT_ONCE` requests at most at a time.

    Args:
        binned: `BINNED`.
        rows: `object` and `size` of each of its rows.

    Yields:
        `object`, and the lists of `BINNED`.
    """
    if rows["size"].sum() <= AT_ONCE:
        parts = [rows]
    else:
        # A row group is read as a whole, so that a chunk had better not end within one.
        parts = (
            rows.with_columns(
                chunk=pl.col("size").cum_sum() // PORTION,
                group=pl.int_range(pl.len()) // ROW_GROUP_SIZE_OF_LARGE_MONTH,
            )
            .with_columns(pl.col("chunk").first().over("group"))
            .partition_by("chunk", maintain_order=True)
        )
    done = 0
    for part in parts:
        chunk = pl.scan_parquet(binned, schema=BINNED).slice(done, len(part)).collect()
        done += len(part)
        yield chunk.drop("object_key").with_columns(part["object"])


def slices(chunk: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Take the lists of a chunk apart, about `SLICE` requests at a time.

    Args:
        chunk: `object`, and lists of equal length in each row.

    Yields:
        The columns of the chunk, a row a request, and its `place` in its list.
    """
    size = chunk["status"].list.len().cast(pl.Int64)
    # A month without requests has a slice without any, or else there is nothing to add up.
    ends = (size.cum_sum() // SLICE).rle().struct.field("len").cum_sum().to_list() or [0]
    lists = [name for name in chunk.columns if name != "object"]
    for begin, end in zip([0, *ends], ends, strict=False):
        yield (
            chunk[begin:end]
            .with_columns(place=pl.int_ranges(size[begin:end], dtype=pl.UInt32, eager=True))
            .explode("place", *lists)
        )


def mixed(labels: Sequence[str]) -> pl.Expr:
    """A number per request in which all that is shown of it is mixed: its sum is the digest.

    It takes the place in the bin in too, so that requests that change places change the sum. When
    and what are each a sum of multiples, modulo 2**64, and their product tells which belong
    together. So the digest does not depend on how a version of Polars hashes.

    Args:
        labels: Region labels by number. Their texts enter, for the numbers differ by month.
    """
    label_hashes = pl.Series(
        [
            int.from_bytes(hashlib.blake2b(x.encode(), digest_size=8).digest(), "big")
            for x in labels
        ],
        dtype=pl.UInt64,
    )

    def times(name: str, factor: int) -> pl.Expr:
        return pl.col(name).to_physical().cast(pl.UInt64) * pl.lit(factor, pl.UInt64)

    when = times("timestamp", 0x9E3779B97F4A7C15) + times("place", 0xD6E8FEB86659FD93)
    what = (
        times("bytes_sent", 0xC2B2AE3D27D4EB4F)
        + times("status", 0xA0761D6478BD642F)
        + pl.lit(label_hashes).gather(pl.col("region"))
    )
    return when * what


class Usage:
    """What a month's requests add up to, slice by slice."""

    def __init__(self, holders: Holders, labels: Sequence[str]) -> None:
        self._holders = holders
        self._mixed = mixed(labels)
        self._daily: list[pl.DataFrame] = []
        self._regional: list[pl.DataFrame] = []
        self._digests: list[pl.DataFrame] = []
        self._requesters: list[pl.DataFrame] = []

    def add(self, requests: pl.DataFrame) -> None:
        """Add a slice: `object`, `timestamp`, `ip`, `bytes_sent`, `status`, `region`, `place`."""
        rows = requests.lazy()
        date = pl.col("timestamp").dt.date().to_physical().cast(pl.Int64) - FIRST_DATE
        daily = pair(pl.col("object"), date)
        owning = pl.lit(self._holders.owning).gather(pl.col("object"))
        found = pl.collect_all(
            [
                # The requests of an object are in the order of time.
                rows.group_by(pair=daily.set_sorted()).agg(counts()),
                rows.group_by(pair=pair(pl.col("object"), pl.col("region"))).agg(counts()),
                rows.group_by(pair=pair(pl.col("object"), pl.lit(0)).set_sorted()).agg(
                    *counts(), digest=self._mixed.sum()
                ),
                rows.select(pair=pair(owning, pl.col("ip"))).unique(),
            ]
        )
        for parts, part in zip(
            (self._daily, self._regional, self._digests, self._requesters), found, strict=True
        ):
            parts.append(part)

    def by_day(self) -> pl.DataFrame:
        """`BY_DAY` and `asset_type`, sorted."""
        date = (pl.col("other").cast(pl.Int64) + FIRST_DATE).cast(pl.Int32).cast(pl.Date)
        return self._holders.usage(self._daily).with_columns(date=date)

    def by_region(self, names: pl.Series) -> pl.DataFrame:
        """`BY_REGION` and `asset_type`, sorted. `names` has the labels by number."""
        region = pl.lit(names).gather(pl.col("other")).alias("region")
        return self._holders.usage(self._regional).with_columns(region)

    def digests(self) -> pl.DataFrame:
        """`DIGESTS`, sorted."""
        return self._holders.usage(self._digests)

    def requesters(self) -> pl.DataFrame:
        """`REQUESTERS`, sorted: who used what a Dandiset owns."""
        pairs = pl.concat(self._requesters).unique().sort("pair")
        dandiset = pl.lit(self._holders.dandisets).gather(first_of(pl.col("pair")))
        return pairs.select(dandiset.alias("dandiset"), ip=second_of(pl.col("pair")))


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


def main(
    *,
    binned: Path,
    routes: Path,
    regions: Path,
    assigned: Path,
    labels: Path,
    by_day: Path,
    by_region: Path,
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
        by_day: Usage by Dandiset, object and day: `BY_DAY`, sorted.
        by_region: Usage by Dandiset, object and region: `BY_REGION`, sorted.
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
            object=pl.col("object_key").rle_id(),
            size=pl.col("status").list.len().cast(pl.Int64),
        )
        .collect()
    )
    keys = rows["object_key"].unique(maintain_order=True)
    holders = Holders(keys, pl.read_parquet(routes))
    usage = Usage(holders, names.to_list())
    with folder_beside(assigned) as folder:
        runs = Runs(folder, by="holder")
        for chunk in chunks(binned, rows.select("object", "size")):
            located = chunk.with_columns(looked_up(chunk["ip"], numbers).alias("region"))
            for part in slices(located):
                usage.add(part)
            if asset_logs:
                runs.add(by_holder(located, holders))
        write_table(
            from_frames((named(part, holders) for part in runs.merged()), ASSIGNED),
            assigned,
            ASSIGNED,
            row_group_size=ROW_GROUP_SIZE_OF_LARGE_MONTH if runs.several else ROW_GROUP_SIZE,
        )
    write_usage(usage.by_day(), "date", by_day, BY_DAY, dandisets_by_day, DANDISETS_BY_DAY)
    write_usage(
        usage.by_region(names),
        "region",
        by_region,
        BY_REGION,
        dandisets_by_region,
        DANDISETS_BY_REGION,
    )
    write_table(usage.digests(), objects, DIGESTS)
    write_table(usage.requesters(), requesters, REQUESTERS)
    log.info("%s: %d objects", binned, len(keys))


def write_usage(
    usage: pl.DataFrame,
    label: str,
    of_objects: Path,
    schema: pl.Schema,
    of_dandisets: Path,
    schema_of_dandisets: pl.Schema,
) -> None:
    """Write usage by object and `label`, and what it comes to for the Dandisets that own them."""
    write_table(usage, of_objects, schema, row_group_size=ROW_GROUP_SIZE_OF_USAGE)
    by = [name for name in schema_of_dandisets if name not in COUNTED]
    owned = add_up(usage.lazy().filter("owner"), by).sort(by)
    write_table(owned, of_dandisets, schema_of_dandisets)


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            binned=Path(snakemake.input.binned),
            routes=Path(snakemake.input.routes),
            regions=Path(snakemake.input.regions),
            assigned=Path(snakemake.output.assigned),
            labels=Path(snakemake.output.labels),
            by_day=Path(snakemake.output.by_day),
            by_region=Path(snakemake.output.by_region),
            dandisets_by_day=Path(snakemake.output.dandisets_by_day),
            dandisets_by_region=Path(snakemake.output.dandisets_by_region),
            objects=Path(snakemake.output.objects),
            requesters=Path(snakemake.output.requesters),
            asset_logs=snakemake.params.asset_logs,
        )
