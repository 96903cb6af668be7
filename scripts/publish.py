"""Publish: exact figures, rounded once, in the form that the public usage page reads."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _threads  # noqa: F401
import polars as pl
from _after import run_after
from _counts import (
    ARCHIVE,
    LINES,
    MEASURES,
    SUMMARIES,
    asset_versions,
    rows_of_lines,
    rows_of_summaries,
    rows_of_totals,
    shown,
)
from _files import mend, read_json, swap, write_json
from _log import logging_to
from _published import account_of, digest_of_content, digest_of_sizes
from _summaries import texts

log = logging.getLogger(__name__)

HIDDEN = "hidden"
"""In place of a count that would tell a small one."""


def rounded(count: pl.Expr, minimum: int, round_to: int) -> pl.Expr:
    """A count as it may be published: text, `<50` or a multiple of 20.

    Below `minimum` it is not told; else it is the nearest multiple of `round_to`, half up, and
    never below `minimum`.
    """
    nearest = (count + round_to // 2) // round_to * round_to
    return (
        pl.when(count < minimum)
        .then(pl.lit(f"<{minimum}"))
        .otherwise(pl.max_horizontal(nearest, pl.lit(minimum)).cast(pl.String))
    )


def published_count(count: pl.Expr, is_untold: pl.Series, minimum: int, round_to: int) -> pl.Expr:
    """A count as it is published: `rounded`, or `hidden` if it is not small but untold."""
    is_hidden = (count >= minimum) & pl.lit(is_untold)
    return pl.when(is_hidden).then(pl.lit(HIDDEN)).otherwise(rounded(count, minimum, round_to))


class Counts:
    """All counts as they are published."""

    def __init__(self, rows: pl.DataFrame) -> None:
        listed = rows.filter("listed")
        of_summaries = pl.col("table").is_in(list(SUMMARIES))
        self._summaries = listed.filter(of_summaries)
        self._others: dict[tuple[str, str], dict[str, dict[str, str | int]]] = {}
        others = listed.filter(~of_summaries).select("name", "table", "label", *MEASURES)
        for name, table, label, *counts in others.iter_rows():
            self._others.setdefault((name, table), {})[label] = {
                measure: int(text) if text.isdigit() else text
                for measure, text in zip(MEASURES, counts, strict=True)
            }

    def summaries(self, kind: str) -> Iterator[tuple[str, str]]:
        """Each summary of a kind: whose it is, and its text."""
        table = self._summaries.filter(pl.col("table") == kind).select(
            "name", pl.col("label").alias(SUMMARIES[kind]), "bytes_sent", *MEASURES
        )
        return texts(table, "name")

    def of(self, name: str, table: str) -> dict[str, dict[str, str | int]]:
        """The counts of a table that is no summary by label; a number is one."""
        return self._others.get((name, table), {})

    def totals(self, name: str, exact: dict[str, Any]) -> dict[str, Any]:
        """Totals with their counts of people's doings as they are published."""
        told = dict(exact)
        for measure, count in self.of(name, "total")[""].items():
            told[f"total_{measure}"] = count
        told["number_of_requesters"] = self.of(name, "requesters")[""][MEASURES[0]]
        for table, key in (("kind", "by_kind_of_requester"), ("version", "by_version")):
            if key in exact:
                counts = self.of(name, table)
                told[key] = {label: {**one, **counts[label]} for label, one in exact[key].items()}
        return told

    def provenance(self, exact: dict[str, Any]) -> dict[str, Any]:
        """The provenance with its counts of lines; those that were kept are the requests."""
        lines = {label: one[MEASURES[0]] for label, one in self.of(LINES, "class").items()}
        lines["lines"] = self.of(LINES, "total")["lines"][MEASURES[0]]
        lines["kept"] = self.of(ARCHIVE, "total")[""][MEASURES[0]]
        return {**exact, "lines": lines}


def whole_folders(mapped: Path) -> list[Path]:
    """The Dandisets with figures of their own, but those that a failed run left without totals."""
    paths = (path.parent for path in mapped.glob("[!.]*/dandiset_summary_by_day.tsv"))
    return sorted(path for path in paths if (path / "dandiset_totals.json").exists())


def main(
    *,
    mapped: Path,
    activity: Path,
    reconciled: Path,
    coordinates: Path,
    provenance: Path,
    published: Path,
    note: Path,
    minimum: int,
    round_to: int,
    after: str | None,
    after_done: Path,
) -> None:
    """Write a fresh folder of published files, and swap it in unless the same stands there.

    Every Dandiset is published that has a summary below `mapped`, by this run or an earlier one.

    Args:
        mapped: The folder of exact figures.
        activity: The folder that says where their objects stand.
        reconciled: What was reconciled; which Dandisets are older than the archive's figures.
        coordinates: The coordinates of the regions.
        provenance: What the figures were made of and with.
        published: Where it goes: `totals.json`, `archive_totals.json`, `provenance.json`,
            `region_codes_to_coordinates.yaml` and `summaries/{id}/by_*.tsv`.
        note: Where it is noted what stands in `published` then: see `_published`.
        minimum: Counts below it are not told.
        round_to: Other counts are multiples of it.
        after: The command to run when what is published has changed; None for none.
        after_done: Where it is noted for what the command was last run.

    Raises:
        UserError: The command failed.
    """
    mend(published)
    fresh = published.with_name(f".{published.name}.part")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    names = [folder.name for folder in whole_folders(mapped)]
    exact = {name: read_json(mapped / name / "dandiset_totals.json") for name in names}
    exact[ARCHIVE] = read_json(mapped / "archive_totals.json")
    made_of = read_json(provenance)
    counts = Counts(
        shown(
            pl.concat(
                [
                    rows_of_totals(exact),
                    rows_of_summaries(mapped, names),
                    rows_of_lines(made_of["lines"]),
                ]
            ),
            asset_versions(activity, names),
            minimum,
            round_to,
            lambda count, untold: published_count(count, untold, minimum, round_to),
        )
    )
    for name in [*names, *([ARCHIVE] if names else [])]:
        folder = fresh / "summaries" / name
        folder.mkdir(parents=True)
        weeks = "summary_by_asset_type_per_week.tsv"
        source = f"archive_{weeks}" if name == ARCHIVE else f"{name}/dandiset_{weeks}"
        shutil.copyfile(mapped / source, folder / "by_asset_type_per_week.tsv")
    for kind in SUMMARIES if names else ():
        for name, text in counts.summaries(kind):
            (fresh / "summaries" / name / f"by_{kind}.tsv").write_text(text, "utf-8")
    write_json(fresh / "archive_totals.json", counts.totals(ARCHIVE, exact[ARCHIVE]))
    write_json(fresh / "totals.json", {name: counts.totals(name, exact[name]) for name in names})
    apart = {key: read_json(reconciled)[key] for key in ("older", "left_out")}
    write_json(fresh / provenance.name, {**counts.provenance(made_of), **apart})
    shutil.copyfile(coordinates, fresh / coordinates.name)
    account = account_of(fresh)
    if (
        published.exists()
        and digest_of_sizes(published) == account["sizes"]
        and digest_of_content(published) == account["content"]
    ):
        shutil.rmtree(fresh)
    else:
        swap(fresh, published)
    log.info("%d Dandisets", len(names))
    if after is not None:
        run_after(after, published, account["content"], after_done)
    write_json(note, account)


if "snakemake" in globals():
    note = Path(snakemake.output.note)
    with logging_to(snakemake.log[0]):
        main(
            mapped=Path(snakemake.input.archive).parent,
            activity=Path(snakemake.input.gathered).parent,
            reconciled=Path(snakemake.input.reconciled),
            coordinates=Path(snakemake.input.coordinates),
            provenance=Path(snakemake.input.provenance),
            published=note.with_suffix(""),
            note=note,
            minimum=snakemake.params.minimum,
            round_to=snakemake.params.round_to,
            after=snakemake.params.after,
            after_done=note.with_suffix(".after.json"),
        )
