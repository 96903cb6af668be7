"""Summaries and totals as files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
from _files import replacing
from _places import country_of, is_place
from _usage import COUNTED, add_up


def write_summary(table: pl.DataFrame, path: Path) -> None:
    """Write a table as TSV: a header, tabs, a newline at the end of each line, no quotes."""
    with replacing(path) as beside:
        table.write_csv(beside, separator="\t", quote_style="never")


def texts(table: pl.DataFrame, by: str) -> Iterator[tuple[str, str]]:
    """Several small summaries as text, of the form in which `write_summary` writes one.

    Args:
        table: The rows of all of them, no value null: texts, dates and integers.
        by: The column by which they are told apart; it is left out.

    Yields:
        The value of this column, and the text.
    """
    columns = [name for name in table.columns if name != by]
    header = "\t".join(columns)
    lines = (
        table.select(by, line=pl.concat_str(columns, separator="\t"))
        .group_by(by, maintain_order=True)
        .agg(pl.col("line").str.join("\n"))
    )
    for name, rows in lines.iter_rows():
        yield name, f"{header}\n{rows}\n"


def read_summary(path: Path) -> pl.DataFrame:
    """Read a summary: its first column as text, the others as integers."""
    table = pl.read_csv(
        path, separator="\t", quote_char=None, infer_schema=False, empty_string_is_null=False
    )
    return table.with_columns(pl.col(table.columns[1:]).cast(pl.Int64))


def read_summaries(mapped: Path, dandisets: Iterable[str], kind: str, label: str) -> pl.DataFrame:
    """Read the summaries of one kind of several Dandisets, as far as they are there.

    Args:
        mapped: The folder of exact figures.
        dandisets: Their ids.
        kind: `day`, `region` or `asset`.
        label: Its first column.

    Returns:
        `dandiset`, the label and the counts, in the order of the Dandisets and of their rows.
    """
    paths = [mapped / name / f"dandiset_summary_by_{kind}.tsv" for name in dandisets]
    schema = {label: pl.String, **dict.fromkeys(COUNTED, pl.Int64)}
    return read_alike([path for path in paths if path.exists()], schema)


def read_weeks(mapped: Path, dandisets: Iterable[str]) -> pl.DataFrame:
    """Read the bytes per week and asset type of several Dandisets, as far as they are there.

    Returns:
        `dandiset`, `week_start`, and `bytes_sent` of all types.
    """
    alike: dict[str, list[Path]] = {}
    for name in dandisets:
        path = mapped / name / "dandiset_summary_by_asset_type_per_week.tsv"
        if path.exists():
            with path.open(encoding="utf-8") as table:
                alike.setdefault(table.readline().rstrip("\n"), []).append(path)
    schema = {"dandiset": pl.String, "week_start": pl.String, "bytes_sent": pl.Int64}
    tables = [pl.DataFrame(schema=schema)]
    for header, paths in alike.items():
        first, *types = header.split("\t")
        table = read_alike(paths, {first: pl.String, **dict.fromkeys(types, pl.Int64)})
        tables.append(table.with_columns(bytes_sent=pl.sum_horizontal(types)).select(*schema))
    return pl.concat(tables)


def read_alike(paths: list[Path], schema: dict[str, Any]) -> pl.DataFrame:
    """Read summaries of the same columns: `dandiset`, the name of its folder, and these."""
    if not paths:
        return pl.DataFrame(schema={"dandiset": pl.String, **schema})
    return (
        pl.scan_csv(
            paths,
            separator="\t",
            quote_char=None,
            schema=schema,
            empty_string_is_null=False,
            include_file_paths="path",
        )
        .select(pl.col("path").str.extract("([^/]+)/[^/]+$").alias("dandiset"), *schema)
        .collect()
    )


CLOUDS = ("AWS", "GCP")
KINDS_OF_REQUESTER = ("cloud", "github", "vpn", "other")


def kind_of_requester(region: pl.Expr) -> pl.Expr:
    """What sort of address a region label stands for: one of `KINDS_OF_REQUESTER`.

    A label with a name before its `/` that is no country code, such as `AWS/us-east-2`, is a
    cloud's; so is the bare name of one of `CLOUDS`.
    """
    return (
        pl.when(region.str.contains(r"^[^/]{3,}/") | region.is_in(CLOUDS))
        .then(pl.lit("cloud"))
        .when(region == "GitHub")
        .then(pl.lit("github"))
        .when(region == "VPN")
        .then(pl.lit("vpn"))
        .otherwise(pl.lit("other"))
    )


def read_accounting(path: Path) -> pl.DataFrame:
    """Read the accounts of all days: `date` as text, `lines` and a column per class as integers."""
    table = pl.read_csv(path, separator="\t", quote_char=None, infer_schema=False)
    return table.select("date", pl.exclude("date", "^.*_share$").cast(pl.Int64))


def totals(by_region: pl.DataFrame, number_of_requesters: int) -> dict[str, Any]:
    """The totals of a Dandiset, or of the archive, of its usage by `region`."""
    of_one = by_region.with_columns(dandiset=pl.lit(""))
    return totals_of_each(of_one, {"": number_of_requesters})[""]


@cache
def _told_by_region() -> list[pl.Expr]:
    """What totals take from a region: `place`, `country` and `kind`.

    To put these expressions together takes nearly as long as a Dandiset's regions do.
    """
    region = pl.col("region")
    return [
        pl.when(is_place(region)).then(region).alias("place"),
        country_of(region).alias("country"),
        kind_of_requester(region).alias("kind"),
    ]


def totals_of_each(
    by_region: pl.DataFrame, numbers_of_requesters: Mapping[str, int]
) -> dict[str, dict[str, Any]]:
    """The totals of Dandisets.

    A region is one that is a place, and a country one that a region lies in.

    Args:
        by_region: Their usage by region: `dandiset`, `region` and the counts, one row a region or
            more.
        numbers_of_requesters: Of each Dandiset, as counted over all time.

    Returns:
        The six totals of each, and `by_kind_of_requester`: the counts of each kind, also where they
        are 0.
    """
    known = by_region.with_columns(_told_by_region())
    sums = known.group_by("dandiset").agg(
        *(pl.col(name).sum().alias(f"total_{name}") for name in COUNTED),
        number_of_unique_regions=pl.col("place").drop_nulls().n_unique(),
        number_of_unique_countries=pl.col("country").drop_nulls().n_unique(),
    )
    nothing = dict.fromkeys(sums.columns[1:], 0)
    of_each = {
        name: {
            **nothing,
            "number_of_requesters": number,
            "by_kind_of_requester": {
                kind: dict.fromkeys(COUNTED, 0) for kind in KINDS_OF_REQUESTER
            },
        }
        for name, number in numbers_of_requesters.items()
    }
    for name, *row in sums.iter_rows():
        of_each[name].update(zip(nothing, row, strict=True))
    by_kind = add_up(known, ["dandiset", "kind"]).select("dandiset", "kind", *COUNTED)
    for name, kind, *row in by_kind.iter_rows():
        of_each[name]["by_kind_of_requester"][kind].update(zip(COUNTED, row, strict=True))
    return of_each


def totals_by_version(usage: pl.DataFrame) -> dict[str, dict[str, dict[str, int]]]:
    """The counts of each version of each Dandiset.

    Args:
        usage: `dandiset`, `version` and the counts, one row for each asset of a version or more.
    """
    of_each: dict[str, dict[str, dict[str, int]]] = {}
    rows = add_up(usage, ["dandiset", "version"]).select("dandiset", "version", *COUNTED)
    for dandiset, version, *counts in rows.iter_rows():
        of_each.setdefault(dandiset, {})[version] = dict(zip(COUNTED, counts, strict=True))
    return of_each
