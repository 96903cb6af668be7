"""Print how much an object or a Dandiset was used, over all months.

    .venv/bin/python scripts/lookup.py zarr/5b1c2d1e-7a0f-4e0b-9d53-0d7a1a7d5a11
    .venv/bin/python scripts/lookup.py --results /data/usage --objects 000108

An object is named by its key in the bucket; that of a chunk of a Zarr store stands for the store. A
Dandiset is named by its id, and counts what it owns. What is printed holds no address, but exact
counts: it is not for the public.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from _log import UserError
from _tables import BINNED, DIGESTS, OBJECTS
from _usage import COUNTED, DOWNLOAD

DANDISET = re.compile(r"[0-9]{6}|undetermined")
BLOB = re.compile(r"blobs/[^/]+/[^/]+/[^/]+")
STORE = re.compile(r"(zarr/[^/]+)(/.*)?")


def named(text: str) -> str:
    """The id of a Dandiset, or the key of an object as the tables have it.

    Raises:
        UserError: It is neither.
    """
    if DANDISET.fullmatch(text) or BLOB.fullmatch(text):
        return text
    if store := STORE.fullmatch(text):
        return store[1]
    raise UserError(
        f"{text} is neither the key of an object (blobs/…/…/…, zarr/…) nor the id of a Dandiset "
        "(six digits, or undetermined)."
    )


def scan_months(results: Path, folder: str, end: str, schema: pl.Schema) -> pl.LazyFrame:
    """A table of all months.

    Args:
        results: The folder of the results.
        folder: Where in it the table is.
        end: How its names end behind the month.
        schema: Its contract.

    Raises:
        UserError: There is none, or it cannot be read.
    """
    try:
        names = sorted(path.name for path in (results / folder).iterdir())
    except FileNotFoundError:
        names = []
    except OSError as error:
        raise UserError(f"{results / folder} cannot be read: {error.strerror}.") from None
    months = [name for name in names if re.fullmatch("[0-9]{4}-[0-9]{2}" + re.escape(end), name)]
    if not months:
        raise UserError(
            f"{results / folder} has no months. Name the folder of the results by --results."
        )
    return pl.scan_parquet([results / folder / name for name in months], schema=schema)


def owned_by(results: Path, dandisets: Sequence[str]) -> pl.LazyFrame:
    """The usage by month of the objects that some Dandisets own: `DIGESTS`."""
    return scan_months(results, "assigned", ".objects.parquet", DIGESTS).filter(
        "owner", pl.col("dandiset").is_in(dandisets)
    )


def add_months_up(months: pl.LazyFrame, name: str) -> pl.DataFrame:
    """Usage by Dandiset or object, most bytes first.

    Args:
        months: Usage by month: `name`, the counts, `first_date`, `last_date`.
        name: `dandiset` or `object_key`.

    Returns:
        `name`, the counts, `first_date`, `last_date`.
    """
    return (
        months.group_by(name)
        .agg(pl.col(COUNTED).sum(), pl.col("first_date").min(), pl.col("last_date").max())
        .rename({name: "name"})
        .sort("bytes_sent", "name", descending=[True, False])
        .collect()
    )


def usage_of_owned(results: Path, keys: Sequence[str]) -> pl.DataFrame:
    """Usage of those of some objects that a Dandiset owns, from their usage by month."""
    listed = results / "dandisets/objects.parquet"
    objects = pl.scan_parquet(listed) if listed.exists() else pl.LazyFrame(schema=OBJECTS)
    owners = objects.filter("owner", pl.col("object_key").is_in(keys)).collect()
    if owners.is_empty():
        return pl.DataFrame()
    # By Dandiset, as the rows are sorted, so that most of them need not be read.
    owned = owned_by(results, owners["dandiset"].unique().to_list())
    return add_months_up(owned.filter(pl.col("object_key").is_in(keys)), "object_key")


def usage_of_bins(results: Path, keys: Sequence[str]) -> pl.DataFrame:
    """Usage of any objects, from their bins."""
    bins = scan_months(results, "binned", ".parquet", BINNED)
    months = bins.filter(pl.col("object_key").is_in(keys)).select(
        "object_key",
        bytes_sent=pl.col("bytes_sent").list.sum(),
        number_of_requests=pl.col("timestamp").list.len().cast(pl.Int64),
        number_of_downloads=pl.col("status").list.count_matches(DOWNLOAD).cast(pl.Int64),
        first_date=pl.col("timestamp").list.min().dt.date(),
        last_date=pl.col("timestamp").list.max().dt.date(),
    )
    return add_months_up(months, "object_key")


def usage_of(results: Path, names: Sequence[str]) -> pl.DataFrame:
    """Usage of objects and Dandisets, in this order; what nobody asked for is left out.

    Raises:
        UserError: The results are not there.
    """
    dandisets = [name for name in names if DANDISET.fullmatch(name)]
    keys = [name for name in names if name not in dandisets]
    parts = []
    if dandisets:
        parts.append(add_months_up(owned_by(results, dandisets), "dandiset"))
    if keys:
        owned = usage_of_owned(results, keys)
        others = set(keys).difference(owned["name"]) if len(owned) else set(keys)
        parts += [owned] if len(owned) else []
        parts += [usage_of_bins(results, sorted(others))] if others else []
    order = pl.DataFrame({"name": names})
    return order.join(pl.concat(parts), on="name", maintain_order="left")


def lines_of(usage: pl.DataFrame) -> list[str]:
    """A table for people: columns of equal width, numbers to the right."""
    rows = [tuple(usage.columns), *usage.cast(pl.String).rows()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]


def main(arguments: list[str] | None = None) -> None:
    """Print the usage of what the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        epilog="The exit code is 1 if nobody asked for one of them.",
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="object key, or Dandiset id")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="default: results"
    )
    parser.add_argument(
        "--objects", action="store_true", help="tell the objects of the named Dandisets one by one"
    )
    options = parser.parse_args(arguments)
    try:
        names = list(dict.fromkeys(map(named, options.names)))
        usage = usage_of(options.results, names)
        if options.objects and not usage.is_empty():
            dandisets = [name for name in usage["name"] if DANDISET.fullmatch(name)]
            objects = add_months_up(owned_by(options.results, dandisets), "object_key")
            usage = pl.concat([usage, objects])
    except UserError as error:
        sys.exit(str(error))
    if not usage.is_empty():
        print("\n".join(lines_of(usage)))
    unused = [name for name in names if name not in usage["name"]]
    if unused:
        sys.exit("\n".join(f"Nobody asked for {name}." for name in unused))


if __name__ == "__main__":
    main()
