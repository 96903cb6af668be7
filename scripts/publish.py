"""Publish: exact figures, rounded once, in the form that the public usage page reads."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import _threads  # noqa: F401
import polars as pl
from _after import run_after
from _files import mend, swap, write_json
from _log import logging_to
from _published import account_of, digest_of_content
from _summaries import read_summary, write_summary

log = logging.getLogger(__name__)

UNDETERMINED = "undetermined"
ROUNDED_COLUMNS = ("number_of_requests", "number_of_downloads")
PRIVATE_COUNTS = (
    "total_number_of_requests",
    "total_number_of_downloads",
    "number_of_requesters",
    *ROUNDED_COLUMNS,
)


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


def rounded_count(count: int, minimum: int, round_to: int) -> str | int:
    """`rounded` for a single count; a number stays one."""
    text = pl.select(rounded(pl.lit(count), minimum, round_to)).item()
    return text if text.startswith("<") else int(text)


class Publication:
    """A folder of published files in the making.

    Attributes:
        folder: Where they are written.
    """

    def __init__(self, folder: Path, minimum: int, round_to: int) -> None:
        self.folder = folder
        self._minimum = minimum
        self._round_to = round_to

    def totals(self, exact: dict[str, Any]) -> dict[str, Any]:
        """Totals with their counts of people's doings rounded, those by kind and version too."""
        return {name: self._shown(name, value) for name, value in exact.items()}

    def _shown(self, name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return self.totals(value)
        if name in PRIVATE_COUNTS:
            return rounded_count(value, self._minimum, self._round_to)
        return value

    def summary(self, exact: Path, name: str) -> None:
        """Publish a summary with its counts rounded; regions that sent nothing are left out."""
        table = read_summary(exact)
        if "region" in table.columns:
            # A marker's size is a logarithm; but a file needs a row.
            some = table.filter(pl.col("bytes_sent") > 0)
            table = some if len(some) else table.head(1)
        columns = [column for column in ROUNDED_COLUMNS if column in table.columns]
        write_summary(
            table.with_columns(
                rounded(pl.col(column), self._minimum, self._round_to).alias(column)
                for column in columns
            ),
            self.folder / "summaries" / name,
        )


def whole_folders(mapped: Path) -> list[Path]:
    """The Dandisets with figures of their own, but those that a failed run left without totals."""
    paths = (path.parent for path in mapped.glob("[!.]*/dandiset_summary_by_day.tsv"))
    return sorted(path for path in paths if (path / "dandiset_totals.json").exists())


def main(
    *,
    mapped: Path,
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
    publication = Publication(fresh, minimum, round_to)
    totals = {}
    for folder in whole_folders(mapped):
        kinds = ["day", "region", "asset_type_per_week"]
        kinds += [] if folder.name == UNDETERMINED else ["asset"]
        for kind in kinds:
            publication.summary(
                folder / f"dandiset_summary_by_{kind}.tsv", f"{folder.name}/by_{kind}.tsv"
            )
        exact = json.loads((folder / "dandiset_totals.json").read_text())
        totals[folder.name] = publication.totals(exact)
    if totals:
        for kind in ("day", "region", "asset_type_per_week"):
            publication.summary(mapped / f"archive_summary_by_{kind}.tsv", f"archive/by_{kind}.tsv")
    archive = json.loads((mapped / "archive_totals.json").read_text())
    write_json(fresh / "archive_totals.json", publication.totals(archive))
    write_json(fresh / "totals.json", totals)
    shutil.copyfile(coordinates, fresh / coordinates.name)
    shutil.copyfile(provenance, fresh / provenance.name)
    account = account_of(fresh)
    if published.exists() and digest_of_content(published) == account["content"]:
        shutil.rmtree(fresh)
    else:
        swap(fresh, published)
    log.info("%d Dandisets", len(totals))
    if after is not None:
        run_after(after, published, account["content"], after_done)
    write_json(note, account)


if "snakemake" in globals():
    note = Path(snakemake.output.note)
    with logging_to(snakemake.log[0]):
        main(
            mapped=Path(snakemake.input.archive).parent,
            coordinates=Path(snakemake.input.coordinates),
            provenance=Path(snakemake.input.provenance),
            published=note.with_suffix(""),
            note=note,
            minimum=snakemake.params.minimum,
            round_to=snakemake.params.round_to,
            after=snakemake.params.after,
            after_done=note.with_suffix(".after.json"),
        )
