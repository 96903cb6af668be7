"""Reconcile: every figure that can be had in two ways must be the same both ways."""

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import _threads  # noqa: F401
import polars as pl
from _files import read_json, write_json
from _log import UserError, logging_to
from _summaries import read_accounting, read_summaries, read_summary, read_weeks
from _tables import DANDISETS_BY_DAY, UNDETERMINED
from _usage import COUNTED, add_up

log = logging.getLogger(__name__)

SHOWN = 10
"""How many differences a message lists."""
AT_ONCE = 100
"""Of so many Dandisets the rows are in memory at a time."""


def flat_totals(totals: dict[str, dict[str, Any]], name: str = "dandiset") -> pl.DataFrame:
    """The totals of several: `name` and the counts."""
    return pl.DataFrame(
        [(of, *(one[f"total_{count}"] for count in COUNTED)) for of, one in sorted(totals.items())],
        schema={name: pl.String, **dict.fromkeys(COUNTED, pl.Int64)},
        orient="row",
    )


def totals_by_kind(totals: dict[str, dict[str, Any]]) -> pl.DataFrame:
    """What the kinds of requester add up to: `dandiset` and the counts."""
    rows = [
        (of, *(kind[count] for count in COUNTED))
        for of, one in totals.items()
        for kind in one["by_kind_of_requester"].values()
    ]
    schema = {"dandiset": pl.String, **dict.fromkeys(COUNTED, pl.Int64)}
    return added_up(pl.DataFrame(rows, schema=schema, orient="row"), "dandiset")


def added_up(table: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Counts added up by some columns."""
    return add_up(table.lazy(), by).collect()


def empty_sums(label: str) -> pl.DataFrame:
    """No rows of a label and its counts."""
    return pl.DataFrame(schema={label: pl.String, **dict.fromkeys(COUNTED, pl.Int64)})


def differences(
    one: pl.DataFrame, other: pl.DataFrame, said: str, columns: Iterable[str] = COUNTED
) -> Iterator[str]:
    """Say where two tables with the same keys differ; a row that one lacks stands for zeros.

    Args:
        one: The keys and `columns`.
        other: The same.
        said: What the two are, with a place for each figure: `by day {one}, in all {other}`.
        columns: What is compared.
    """
    columns = list(columns)
    keys = [column for column in one.columns if column not in columns]
    both = one.join(other, on=keys, how="full", coalesce=True, suffix=" of other").fill_null(0)
    for column in columns:
        differing = both.filter(pl.col(column) != pl.col(f"{column} of other")).sort(keys)
        for row in differing.iter_rows(named=True):
            where = ", ".join(str(row[key]) for key in keys)
            figures = said.format(one=row[column], other=row[f"{column} of other"])
            yield f"{where}: {column.replace('_', ' ')}: {figures}"


def per_week(by_day: pl.DataFrame) -> pl.DataFrame:
    """Bytes per week, from those per day: `dandiset`, `week_start`, `bytes_sent`."""
    week = pl.col("date").str.to_date().dt.truncate("1w").cast(pl.String)
    return by_day.group_by("dandiset", week_start=week).agg(pl.col("bytes_sent").sum())


def weeks_of_archive(table: pl.DataFrame) -> pl.DataFrame:
    """Its bytes per week, from those per week and asset type."""
    return table.select(
        pl.lit("archive").alias("dandiset"),
        "week_start",
        # Of an archive without a request no type has a column.
        bytes_sent=pl.sum_horizontal(pl.lit(0, pl.Int64), pl.exclude("week_start")),
    )


def lines_and_requests(accounting: Path, months: list[str], by_day: list[Path]) -> Iterator[str]:
    """Compare the lines that were kept with the requests that were assigned, month by month."""
    kept = (
        read_accounting(accounting)
        .group_by(month=pl.col("date").str.slice(0, 7))
        .agg(number_of_requests=pl.col("kept").sum())
    )
    assigned = [
        pl.scan_parquet(path, schema=DANDISETS_BY_DAY).select(
            pl.lit(month).alias("month"), pl.col("number_of_requests").sum()
        )
        for month, path in zip(months, by_day, strict=True)
    ]
    counted = pl.concat(pl.collect_all(assigned)) if assigned else kept.clear()
    said = "{one} lines were kept, {other} assigned to Dandisets"
    yield from differences(kept, counted, said, ["number_of_requests"])


class Mapped:
    """The folder of exact figures.

    Attributes:
        totals: Of every Dandiset that owns activity, and of `undetermined`, as of now.
        made: The totals of the Dandisets whose folder this run answers for, in order of their ids.
        older: Others whose folder is of an earlier run and tells other figures than those of now.
        left_out: Others that have none.
    """

    def __init__(self, folder: Path, dandisets: Iterable[str]) -> None:
        self._folder = folder
        self.totals = read_json(folder / "all_dandiset_totals.json")
        self._archive = {"archive": read_json(folder / "archive_totals.json")}
        self.made = {name: self._totals_of(name) for name in sorted(dandisets)}
        others = {name: self._totals_of(name) for name in sorted({*self.totals} - {*self.made})}
        self.left_out = [name for name, totals in others.items() if totals is None]
        self.older = [
            name for name, totals in others.items() if totals and totals != self.totals[name]
        ]

    def _totals_of(self, dandiset: str) -> dict[str, Any] | None:
        try:
            return read_json(self._folder / dandiset / "dandiset_totals.json")
        except FileNotFoundError:
            return None

    def problems(self) -> Iterator[str]:
        """Say what does not add up, a line each."""
        yield from self._totals_of_made(self.made)
        parts = {"date": [], "region": []}
        names = list(self.made)
        for start in range(0, len(names), AT_ONCE):
            some = names[start : start + AT_ONCE]
            tables = {
                label: read_summaries(self._folder, some, kind, label)
                for kind, label in (("day", "date"), ("region", "region"), ("asset", "asset_path"))
            }
            yield from self._rows_of_made({name: self.made[name] for name in some}, tables)
            for label, sums in parts.items():
                sums.append(added_up(tables[label], label))
        yield from self._archive_problems(
            *(
                added_up(pl.concat([empty_sums(label), *sums]), label)
                for label, sums in parts.items()
            )
        )

    def _rows_of_made(
        self, of_made: dict[str, dict[str, Any]], tables: dict[str, pl.DataFrame]
    ) -> Iterator[str]:
        """Compare the rows of some Dandisets with their totals.

        Args:
            of_made: Their totals.
            tables: Their summaries by `date`, `region` and `asset_path`.
        """
        flat = flat_totals(of_made)
        by_day, by_region, by_asset = tables.values()
        unnamed = by_day.filter(pl.col("dandiset") == UNDETERMINED).rename({"date": "asset_path"})
        sums = {"day": by_day, "region": by_region, "asset": pl.concat([by_asset, unnamed])}
        for kind, table in sums.items():
            said = f"by {kind} {{one}}, in all {{other}}"
            yield from differences(added_up(table, "dandiset"), flat, said)
        yield from differences(
            totals_by_kind(of_made), flat, "by kind of requester {one}, in all {other}"
        )
        yield from self._weeks(read_weeks(self._folder, of_made), by_day)

    def _totals_of_made(self, of_made: dict[str, dict[str, Any]]) -> Iterator[str]:
        for name, totals in of_made.items():
            # What owns no activity is not among all totals, but has versions with some.
            if name in self.totals and totals != self.totals[name]:
                yield f"{name}: dandiset_totals.json differs from all_dandiset_totals.json"
        owning = {name: of_made[name] for name in of_made if name in self.totals}
        yield from differences(
            flat_totals(of_made), flat_totals(owning), "mapped {one}, among all totals {other}"
        )

    @staticmethod
    def _weeks(of_types: pl.DataFrame, by_day: pl.DataFrame) -> Iterator[str]:
        said = "of asset types {one}, of days {other}"
        yield from differences(of_types, per_week(by_day), said, ["bytes_sent"])

    def _archive_problems(self, by_day: pl.DataFrame, by_region: pl.DataFrame) -> Iterator[str]:
        """Compare the archive's figures with each other, and with the sums of the Dandisets.

        Args:
            by_day: Usage of the Dandisets by date.
            by_region: Their usage by region.
        """
        flat = flat_totals(self._archive)
        everything = flat_totals(self.totals).select(pl.lit("archive").alias("dandiset"), *COUNTED)
        said = "the Dandisets {one}, in all {other}"
        yield from differences(added_up(everything, "dandiset"), flat, said)
        yield from differences(
            totals_by_kind(self._archive), flat, "by kind of requester {one}, in all {other}"
        )
        tables = {}
        for kind, label, parts in (("day", "date", by_day), ("region", "region", by_region)):
            table = read_summary(self._folder / f"archive_summary_by_{kind}.tsv")
            tables[kind] = table.select(pl.lit("archive").alias("dandiset"), pl.all())
            said = f"by {kind} {{one}}, in all {{other}}"
            yield from differences(added_up(tables[kind], "dandiset"), flat, said)
            yield from self._parts(table, parts, label)
        types = read_summary(self._folder / "archive_summary_by_asset_type_per_week.tsv")
        yield from self._weeks(weeks_of_archive(types), tables["day"])

    def _parts(self, archive: pl.DataFrame, made: pl.DataFrame, label: str) -> Iterator[str]:
        """Compare the archive's days, or regions, with the sums of those of the Dandisets.

        What this run does not answer for has no share of its own to compare; but it cannot be
        less than nothing, and in all it is what its totals say.
        """
        said = "the Dandisets {one}, the archive {other}"
        if len(self.made) == len({*self.made} | {*self.totals}):
            yield from differences(made, archive, said)
            return
        rest = pl.concat([archive, made.with_columns(-pl.col(COUNTED))])
        rest = added_up(rest, label)
        for column in COUNTED:
            less = rest.filter(pl.col(column) < 0).select(label)
            parts, wholes = (
                table.join(less, on=label).select(label, column) for table in (made, archive)
            )
            yield from differences(parts, wholes, said, [column])
        others = {name: one for name, one in self.totals.items() if name not in self.made}
        yield from differences(
            rest.select(pl.lit("archive").alias("dandiset"), pl.col(COUNTED).sum()),
            flat_totals(others).select(pl.lit("archive").alias("dandiset"), pl.col(COUNTED).sum()),
            f"by {label}, what this run does not map has {{one}}, by its totals {{other}}",
        )


def main(
    *,
    mapped: Path,
    dandisets: list[str],
    accounting: Path,
    months: list[str],
    by_day: list[Path],
    reconciled: Path,
) -> None:
    """Compare all figures with each other.

    - The lines that were kept, in each month of raw logs, are the requests assigned.
    - Of the archive, and of each Dandiset that this run maps: bytes, requests and downloads by
      day, by region, by asset and by kind of requester are those in all; bytes per week by asset
      type are those of the week's days.
    - The archive is the sum of the Dandisets and `undetermined`: in all, on each day, of each
      region.

    Args:
        mapped: The folder of exact figures.
        dandisets: What this run maps there, `undetermined` among it.
        accounting: The accounts of all days.
        months: `2022-05` each.
        by_day: What was assigned in each: `DANDISETS_BY_DAY`.
        reconciled: Where it is said what was compared: `dandisets`, how many, and `digest`, of
            their totals; `older`, those whose folder is of an earlier run and tells other figures;
            `left_out`, those that have none.

    Raises:
        UserError: Two figures differ; it names them.
    """
    figures = Mapped(mapped, dandisets)
    problems = [*lines_and_requests(accounting, months, by_day), *figures.problems()]
    if problems:
        listed = "\n".join(f"- {problem}" for problem in problems[:SHOWN])
        more = f"\n- and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise UserError(
            f"The figures do not add up, so nothing is published:\n{listed}{more}\n"
            "Delete the folders mapped/, assigned/ and binned/ of the results and run again. If "
            "this comes again, please report it."
        )
    write_json(
        reconciled,
        {
            "dandisets": len(dandisets),
            "digest": hashlib.sha256(json.dumps(figures.made).encode()).hexdigest(),
            "older": figures.older,
            "left_out": figures.left_out,
        },
    )
    log.info("%d Dandisets add up", len(dandisets))
    if figures.older:
        log.info("Older than the archive's figures: %s", ", ".join(figures.older))


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            mapped=Path(snakemake.input.archive).parent,
            dandisets=[Path(path).parent.name for path in snakemake.input.dandisets],
            accounting=Path(snakemake.input.accounting),
            months=snakemake.params.months,
            by_day=[Path(path) for path in snakemake.input.assigned],
            reconciled=Path(snakemake.output.reconciled),
        )
