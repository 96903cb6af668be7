"""The counts that are published, and which of them add up to which others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from _disclosure import untold
from _summaries import kind_of_requester, read_summaries, read_summary
from _tables import scan_placements

ARCHIVE = "archive"
LINES = "lines"
MEASURES = ("number_of_requests", "number_of_downloads")
SUMMARIES = {"day": "date", "region": "region", "asset": "asset_path"}
"""The kinds of summaries that have counts, and their first columns."""

ROWS = pl.Schema(
    {
        "name": pl.String,
        "table": pl.String,
        "label": pl.String,
        "bytes_sent": pl.Int64,
        "number_of_requests": pl.Int64,
        "number_of_downloads": pl.Int64,
        "listed": pl.Boolean,
    }
)
"""A row of what is published: of a Dandiset, of `undetermined`, of the archive, or of the lines of
raw logs; in a table (`total`, `requesters`, `kind`, `version`, `day`, `region`, `asset`)."""


def rows_of_totals(totals: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    """The counts that totals hold: `ROWS`."""
    rows = []
    for name, one in totals.items():
        in_all = (one["total_number_of_requests"], one["total_number_of_downloads"])
        rows.append((name, "total", "", one["total_bytes_sent"], *in_all, True))
        rows.append((name, "requesters", "", 0, one["number_of_requesters"], 0, True))
        for table, key in (("kind", "by_kind_of_requester"), ("version", "by_version")):
            for label, counts in one.get(key, {}).items():
                figures = (counts["bytes_sent"], *(counts[measure] for measure in MEASURES))
                rows.append((name, table, label, *figures, True))
    return pl.DataFrame(rows, schema=ROWS, orient="row")


def rows_of_lines(lines: Mapping[str, int]) -> pl.DataFrame:
    """The counts of lines by class, but of those that were kept: these are the requests."""
    rows = [
        (LINES, "total" if name == "lines" else "class", name, 0, count, 0, True)
        for name, count in lines.items()
        if name != "kept"
    ]
    return pl.DataFrame(rows, schema=ROWS, orient="row")


def rows_of_summaries(mapped: Path, names: Iterable[str]) -> pl.DataFrame:
    """The counts of all summaries, in the order in which they are published: `ROWS`.

    Regions that sent nothing are not listed, for a marker's size is a logarithm; but a table needs
    a row, so of a table that would have none the first is.
    """
    tables = []
    for kind, label in SUMMARIES.items():
        table = read_summaries(mapped, names, kind, label)
        if kind != "asset":
            archive = read_summary(mapped / f"archive_summary_by_{kind}.tsv")
            table = pl.concat([table, archive.select(pl.lit(ARCHIVE).alias("dandiset"), pl.all())])
        none_sent = pl.col("bytes_sent").max().over("dandiset") == 0
        first = pl.int_range(pl.len()).over("dandiset") == 0
        listed = (pl.col("bytes_sent") > 0) | (none_sent & first)
        tables.append(
            table.select(
                pl.col("dandiset").alias("name"),
                pl.lit(kind).alias("table"),
                pl.col(label).alias("label"),
                "bytes_sent",
                *MEASURES,
                listed=listed if kind == "region" else pl.lit(True),
            )
        )
    return pl.concat(tables)


def asset_versions(activity: Path, names: Iterable[str]) -> pl.DataFrame:
    """Which rows of the summaries by asset each version has: `name`, `version`, `label`."""
    known = [name for name in names if (activity / f"{name}.assets.parquet").exists()]
    return (
        scan_placements(activity, known)
        .filter(pl.col("version") != "")
        .select("version", name="dandiset", label="asset_path")
        .unique()
        .collect()
    )


def sums(rows: pl.DataFrame, versions: pl.DataFrame) -> pl.DataFrame:
    """Which rows add up to which others.

    Args:
        rows: `ROWS` with `row`, the number of each.
        versions: Which version has which asset: `name`, `version`, `label`.

    Returns:
        `family`, `of`, `at`, which together name a relation; `row`, `whole`.
    """

    def members(
        table: pl.DataFrame, family: str, of: pl.Expr, at: pl.Expr, *, whole: bool
    ) -> pl.DataFrame:
        return table.select(
            pl.lit(family).alias("family"),
            of.cast(pl.String).alias("of"),
            at.cast(pl.String).alias("at"),
            "row",
            pl.lit(whole).alias("whole"),
        )

    def of_table(*tables: str) -> pl.DataFrame:
        return rows.filter(pl.col("table").is_in(tables), pl.col("name") != LINES)

    name, label, nothing = pl.col("name"), pl.col("label"), pl.lit("")
    found = []
    for table in ("day", "region", "asset", "kind"):
        family = f"{table}s of a total"
        found.append(members(of_table(table), family, name, nothing, whole=False))
        found.append(members(of_table("total"), family, name, nothing, whole=True))
    found.append(
        members(
            of_table("region"), "regions of a kind", name, kind_of_requester(label), whole=False
        )
    )
    found.append(members(of_table("kind"), "regions of a kind", name, label, whole=True))
    shared = of_table("total", "requesters", "kind", "day", "region")
    is_archive = pl.col("name") == ARCHIVE
    for part, whole in ((shared.filter(~is_archive), False), (shared.filter(is_archive), True)):
        found.append(members(part, "Dandisets", pl.col("table"), label, whole=whole))

    assets = of_table("asset").select("name", "label", "row")
    version_rows = of_table("version")
    held = versions.join(assets, on=["name", "label"])
    others = (
        version_rows.select("name", version="label")
        .join(assets, on="name")
        .join(versions, on=["name", "version", "label"], how="anti")
    )
    version = pl.col("version")
    found += [
        members(held, "assets of a version", name, version, whole=False),
        members(version_rows, "assets of a version", name, label, whole=True),
        members(others, "assets of no version", name, version, whole=False),
        members(version_rows, "assets of no version", name, label, whole=False),
        members(
            version_rows.select("name", "label").join(
                of_table("total").select("name", "row"), on="name"
            ),
            "assets of no version",
            name,
            label,
            whole=True,
        ),
    ]
    lines = rows.filter(pl.col("name") == LINES)
    kept = of_table("total").filter(is_archive)
    in_all = lines.filter(pl.col("table") == "total")
    if len(lines):
        for table, whole in (
            (lines.filter(pl.col("table") == "class"), False),
            (kept, False),
            (in_all, True),
        ):
            found.append(members(table, "lines", nothing, nothing, whole=whole))
    relation = ["family", "of", "at"]
    every = pl.concat(found)
    # A sum is none without parts, or without what they add up to.
    both = every.group_by(relation).agg(pl.col("whole").n_unique()).filter(pl.col("whole") == 2)
    return every.join(both.select(relation), on=relation, how="semi")


def with_rests(rows: pl.DataFrame, members: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Add what a sum has besides its listed parts as a row that is not listed, for each measure.

    That is what Dandisets have that are not published, or whose figures are older than the
    archive's, and what requesters are counted for in several Dandisets. The members say of which
    `measure` they are: all, or one.
    """
    relation = ["family", "of", "at"]
    signed = members.hstack(rows.select(MEASURES)[members["row"]]).with_columns(
        pl.when("whole").then(pl.col(MEASURES)).otherwise(-pl.col(MEASURES))
    )
    rests = (
        signed.group_by(relation)
        .agg(pl.col(MEASURES).sum())
        .unpivot(MEASURES, index=relation, variable_name="measure", value_name="count")
        .filter(pl.col("count") != 0, is_of(pl.col("measure")))
        .sort(*relation, "measure")
        .with_row_index("row", offset=len(rows))
    )
    of_it = pl.col("measure")
    more_rows = rests.select(
        pl.lit("").alias("name"),
        pl.lit("rest").alias("table"),
        pl.lit("").alias("label"),
        pl.lit(0, pl.Int64).alias("bytes_sent"),
        *(
            pl.when(of_it == measure).then(pl.col("count").abs()).otherwise(0).alias(measure)
            for measure in MEASURES
        ),
        pl.lit(False).alias("listed"),
    )
    more_members = rests.select(
        *relation,
        pl.col("row").cast(members.schema["row"]),
        # More parts than the whole: what they have in common stands on its side.
        whole=pl.col("count") < 0,
        measure="measure",
    )
    members = members.with_columns(measure=pl.lit(None, pl.String))
    return pl.concat([rows, more_rows]), pl.concat([members, more_members])


def is_of(measure: pl.Expr) -> pl.Expr:
    """Whether a sum is one of a measure: lines and requesters are counted once only."""
    counted_once = (pl.col("family") == "lines") | (pl.col("of") == "requesters")
    return ~counted_once | (measure == MEASURES[0])


def shown(
    rows: pl.DataFrame, versions: pl.DataFrame, minimum: int, round_to: int, text: Any
) -> pl.DataFrame:
    """The rows with their counts as they may be published.

    Args:
        rows: `ROWS`.
        versions: Which version has which asset: `name`, `version`, `label`.
        minimum: Counts below it are not told.
        round_to: Other counts are multiples of it.
        text: From a count and whether it is untold, both expressions, to what is published.

    Returns:
        The rows, in their order, with counts as text.
    """
    numbered = rows.with_columns(row=pl.int_range(pl.len(), dtype=pl.UInt32))
    every, members = with_rests(rows, sums(numbered, versions))
    cells, links = cells_of(every), links_of(numbered)
    in_sums = [
        members.filter(
            pl.col("measure").is_null() | (pl.col("measure") == measure), is_of(pl.lit(measure))
        ).select(
            relation=pl.struct("family", "of", "at").hash(seed=place),
            cell=pl.col("row") * 2 + place,
            whole="whole",
        )
        for place, measure in enumerate(MEASURES)
    ]
    hidden = untold(cells, pl.concat(in_sums), links, minimum, round_to)
    return rows.with_columns(
        text(pl.col(measure), hidden.gather_every(2, offset).head(len(rows))).alias(measure)
        for offset, measure in enumerate(MEASURES)
    )


def cells_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Two cells for each row: its requests, then its downloads.

    A row that is listed has a request, but a kind of requester, or a class of lines, is always
    listed.
    """
    always = pl.col("table").is_in(["kind", "class", "total"])
    return (
        rows.select(
            count=pl.concat_list(MEASURES),
            least=pl.concat_list(
                pl.when(always).then(0).otherwise(1).cast(pl.Int64), pl.lit(0, pl.Int64)
            ),
            listed="listed",
            vague=pl.col("table") == "version",
            worth=worth(),
        )
        .explode("count", "least")
        .with_columns(pl.min_horizontal("least", "count"))
    )


def worth() -> pl.Expr:
    """What the counts of a row are worth to readers: what stands for much is hidden last."""
    in_all = pl.col("table").is_in(["total", "requesters"])
    return (
        pl.when(in_all & (pl.col("name") == ARCHIVE))
        .then(3)
        .when(in_all & (pl.col("name") != LINES))
        .then(2)
        .when(pl.col("table").is_in(["kind", "version"]) | in_all)
        .then(1)
        .otherwise(0)
        .cast(pl.Int64)
    )


def links_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Downloads are never more than requests, and requesters never more than these."""
    requests = pl.col("row") * 2
    same_row = rows.filter(~pl.col("table").is_in(["requesters", "class"])).select(
        part=requests + 1, whole=requests
    )
    total = rows.filter(pl.col("table") == "total").select("name", whole=requests)
    requesters = rows.filter(pl.col("table") == "requesters").select("name", part=requests)
    return pl.concat([same_row, requesters.join(total, on="name").select("part", "whole")])
