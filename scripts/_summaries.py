"""Summaries and totals as files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    for name, text in lines.iter_rows():
        yield name, f"{header}\n{text}\n"


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
    paths = [path for path in paths if path.exists()]
    schema = {label: pl.String, **dict.fromkeys(COUNTED, pl.Int64)}
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
    """The totals of a Dandiset, or of the archive.

    A region is one that is a place, and a country one that a region lies in.

    Args:
        by_region: Usage by region: `region` and the counts, one row a region or more.
        number_of_requesters: As counted over all time.

    Returns:
        The six totals, and `by_kind_of_requester`: the counts of each kind, also where they are 0.
    """
    region = pl.col("region")
    row = by_region.select(
        total_bytes_sent=pl.col("bytes_sent").sum(),
        total_number_of_requests=pl.col("number_of_requests").sum(),
        total_number_of_downloads=pl.col("number_of_downloads").sum(),
        number_of_unique_regions=region.filter(is_place(region)).n_unique(),
        number_of_unique_countries=country_of(region).drop_nulls().n_unique(),
    )
    by_kind = add_up(by_region.with_columns(kind=kind_of_requester(region)), "kind")
    return {
        **row.row(0, named=True),
        "number_of_requesters": number_of_requesters,
        "by_kind_of_requester": {
            **{kind: dict.fromkeys(COUNTED, 0) for kind in KINDS_OF_REQUESTER},
            **counts_by(by_kind, "kind"),
        },
    }


def totals_by_version(usage: pl.DataFrame) -> dict[str, dict[str, int]]:
    """The counts of each version of a Dandiset, in the order of their names.

    Args:
        usage: `version` and the counts, one row for each asset of a version or more.
    """
    return counts_by(add_up(usage, "version").sort("version"), "version")


def counts_by(table: pl.DataFrame, label: str) -> dict[str, dict[str, int]]:
    """A table of counts as a mapping of its label."""
    rows = table.select(label, *COUNTED).iter_rows()
    return {name: dict(zip(COUNTED, counts, strict=True)) for name, *counts in rows}
