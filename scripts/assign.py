"""Assign a month's requests to Dandisets, with the region in place of the address."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import _threads  # noqa: F401
import polars as pl
from _log import logging_to
from _tables import (
    ASSIGNED,
    BINNED,
    BY_DAY,
    BY_REGION,
    DIGESTS,
    LABELS,
    REQUESTERS,
    write_table,
)
from _usage import add_up, counts

log = logging.getLogger(__name__)

UNDETERMINED = "undetermined"
ROW_GROUP_SIZE = 1 << 12
"""Rows of a row group, so that a Dandiset's job reads little of what is not its own."""


def one_row_each(binned: pl.LazyFrame, region_numbers: pl.Series) -> pl.LazyFrame:
    """Take the lists of bins apart.

    Args:
        binned: `BINNED`, and `bin`, which numbers its rows.
        region_numbers: Number of the region's label by the number of the address.

    Returns:
        One row a request: `bin`, `place` (in its bin), `timestamp`, `ip`, `bytes_sent`, `status`,
        `region`.
    """
    lists = [name for name in BINNED if name != "object_key"]
    return (
        binned.select(
            "bin",
            *lists,
            place=pl.int_ranges(0, pl.col("ip").list.len(), dtype=pl.UInt32),
        )
        .explode("place", *lists)
        .with_columns(region=pl.lit(region_numbers).gather(pl.col("ip")))
    )


def mixed(labels: Sequence[str]) -> pl.Expr:
    """A number per request in which all that is shown of it is mixed: its sum is the digest.

    It takes the place in the bin in too, so that requests that change places change the sum. The
    arithmetic is that of hash functions, odd multipliers modulo 2**64 and shifts, and so does not
    depend on how a version of Polars hashes.

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

    def whole(name: str) -> pl.Expr:
        return pl.col(name).to_physical().cast(pl.UInt64)

    mixture = (
        whole("timestamp") * pl.lit(0x9E3779B97F4A7C15, pl.UInt64)
        ^ whole("bytes_sent") * pl.lit(0xC2B2AE3D27D4EB4F, pl.UInt64)
        ^ whole("place") * pl.lit(0xD6E8FEB86659FD93, pl.UInt64)
        ^ whole("status") * pl.lit(0xA0761D6478BD642F, pl.UInt64)
        ^ pl.lit(label_hashes).gather(pl.col("region"))
    )
    folded = (mixture ^ (mixture // (1 << 32))) * pl.lit(0xFF51AFD7ED558CCD, pl.UInt64)
    return folded ^ (folded // (1 << 29))


def with_dandisets(usage: pl.LazyFrame, bins: pl.LazyFrame, routes: pl.LazyFrame) -> pl.LazyFrame:
    """Give usage by bin to each Dandiset that holds the object, else to `undetermined`.

    The objects of `undetermined` are not told apart: their key is empty.

    Args:
        usage: With `bin`.
        bins: `bin`, `object_key`.
        routes: `ROUTES`.

    Returns:
        The usage with `dandiset`, `object_key` and `owner` in place of `bin`.
    """
    return (
        usage.join(bins, on="bin")
        .join(routes, on="object_key", how="left")
        .with_columns(
            pl.col("dandiset").fill_null(UNDETERMINED),
            pl.col("owner").fill_null(True),
            object_key=pl.when(pl.col("dandiset").is_null())
            .then(pl.lit(""))
            .otherwise("object_key"),
        )
        .drop("bin")
    )


def main(
    *,
    binned: Path,
    routes: Path,
    regions: Path,
    assigned: Path,
    labels: Path,
    by_day: Path,
    by_region: Path,
    objects: Path,
    requesters: Path,
) -> None:
    """Assign a month.

    Args:
        binned: Its bins: `BINNED`.
        routes: The Dandisets of its objects: `ROUTES`.
        regions: The regions of its addresses by number: `REGIONS`.
        assigned: Where the requests go, by Dandiset and object: `ASSIGNED`, sorted. Those of
            `undetermined` are only counted.
        labels: Where the region labels go in the order of their numbers: `LABELS`.
        by_day: Usage by Dandiset, object and day: `BY_DAY`, sorted.
        by_region: Usage by Dandiset, object and region: `BY_REGION`, sorted.
        objects: Usage and digest of each object: `DIGESTS`, sorted.
        requesters: Who used which Dandiset, by the number of the address: `REQUESTERS`. Private.
    """
    region_of_ip = pl.read_parquet(regions).get_column("region")
    names = region_of_ip.unique().sort()
    numbers = region_of_ip.cast(pl.Enum(names)).to_physical().cast(pl.UInt32)
    write_table(names.to_frame("region"), labels, LABELS)

    routed = pl.read_parquet(routes).lazy()
    binned_rows = pl.scan_parquet(binned).with_row_index("bin")
    bins = binned_rows.select("bin", "object_key").collect().lazy()
    requests = one_row_each(binned_rows, numbers).collect().lazy()

    daily = requests.group_by("bin", date=pl.col("timestamp").dt.date()).agg(counts())
    regional = requests.group_by("bin", "region").agg(counts())
    digests = requests.group_by("bin").agg(
        pl.len().cast(pl.Int64).alias("number_of_requests"), digest=mixed(names.to_list()).sum()
    )
    who = requests.select("bin", "ip").unique()

    per_object = ["dandiset", "object_key", "owner"]
    label = pl.col("region").cast(pl.UInt32)
    for table, path, schema, column in (
        (daily, by_day, BY_DAY, "date"),
        (regional, by_region, BY_REGION, "region"),
    ):
        rows = add_up(with_dandisets(table, bins, routed), [*per_object, column])
        if column == "region":
            rows = rows.with_columns(region=pl.lit(names).gather(label))
        write_table(rows.sort(*per_object, column), path, schema)
    write_table(
        with_dandisets(digests, bins, routed)
        .group_by(per_object)
        .agg(pl.col("number_of_requests", "digest").sum())
        .sort(per_object),
        objects,
        DIGESTS,
    )
    write_table(
        with_dandisets(who, bins, routed)
        .filter("owner")
        .select("dandiset", "ip")
        .unique()
        .sort("dandiset", "ip"),
        requesters,
        REQUESTERS,
    )
    lists = requests.group_by("bin", maintain_order=True).agg("timestamp", "bytes_sent", "region")
    write_table(
        lists.join(bins, on="bin")
        .join(routed, on="object_key")
        .sort("dandiset", "object_key", "bin"),
        assigned,
        ASSIGNED,
        row_group_size=ROW_GROUP_SIZE,
    )
    log.info("%s: %d objects", binned, bins.select(pl.len()).collect().item())


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
            objects=Path(snakemake.output.objects),
            requesters=Path(snakemake.output.requesters),
        )
