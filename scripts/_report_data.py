"""What the usage page shows: `published/` as one compact value, and nothing else.

A count can be text, `<50` or another that stands for what is not told. It stays that text here.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
import yaml
from _log import UserError
from _tables import UNDETERMINED

Columns = dict[str, list[Any]]

ARCHIVE = "archive"
COUNTS = ("bytes_sent", "number_of_requests", "number_of_downloads")
TOTALS = (
    "total_bytes_sent",
    "total_number_of_requests",
    "total_number_of_downloads",
    "number_of_requesters",
    "number_of_unique_regions",
    "number_of_unique_countries",
)
SUMMARIES = {
    "day": ("date", *COUNTS),
    "region": ("region", *COUNTS),
    "asset": ("asset_path", *COUNTS),
    "asset_type_per_week": ("week_start",),
}
"""Columns that a summary has at least."""
BREAKDOWNS = ("by_version", "by_kind_of_requester")

DETAIL = ((200, None), (100, 4), (50, 3), (20, 2))
"""How much of each Dandiset a page holds, most first, for it to stay small: how many assets by
name, and to how many digits the bytes by day, by week and by region. The other assets are one row
together; totals, and all of the archive, stand exact."""


def read_published(path: Path, columns: Iterable[str]) -> pl.DataFrame:
    """A published summary as it stands: every column text. Without rows if there is no file."""
    if not path.exists():
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    return pl.read_csv(
        path, separator="\t", quote_char=None, infer_schema=False, empty_string_is_null=False
    )


def column(values: pl.Series) -> list[int | str]:
    """A column of counts: a number where there is one, else the text that stands there."""
    numbers = values.cast(pl.Int64, strict=False).to_list()
    if None not in numbers:
        return numbers
    return [
        text if number is None else number
        for text, number in zip(values.to_list(), numbers, strict=True)
    ]


def columns(table: pl.DataFrame, digits: int | None = None) -> Columns:
    """All columns of a table but the first, each a list; bytes to some digits, or all of them."""
    if digits:
        in_bytes = ~cs.starts_with("number_of") & ~cs.first()
        about = in_bytes.cast(pl.Float64).round_sig_figs(digits).cast(pl.Int64).cast(pl.String)
        table = table.with_columns(about)
    return {name: column(table[name]) for name in table.columns[1:]}


def told(values: pl.Series) -> int:
    """The sum of those counts of a column that are told."""
    return int(values.cast(pl.Int64, strict=False).sum())


def gaps(dates: pl.Series) -> dict[str, Any]:
    """Ascending dates as the first one and the days from each to the next: `[0, 1, 1, 3, …]`."""
    days = dates.str.to_date("%Y-%m-%d")
    return {"first": dates[0], "gaps": days.diff().dt.total_days().fill_null(0).to_list()}


def by_date(table: pl.DataFrame, digits: int | None) -> Columns | None:
    """A summary whose first column is a date; None if there is none."""
    return {**gaps(table.to_series()), **columns(table, digits)} if len(table) else None


def by_asset(table: pl.DataFrame, number: int) -> Columns | None:
    """The assets with the most bytes, and the others as one: how many, and what is told of them."""
    if not len(table):
        return None
    largest, rest = table.head(number), table.slice(number)
    others = {name: told(rest[name]) for name in rest.columns[1:]}
    return {
        "asset_path": largest.to_series().to_list(),
        **columns(largest),
        "others": {**others, "number": len(rest)},
    }


def breakdown(totals: dict[str, Any], name: str) -> Columns | None:
    """A part of the totals, `{label: counts}`, as columns, most bytes first; None without one."""
    parts = totals.get(name)
    if not parts:
        return None
    labels = sorted(parts, key=lambda label: (-number(parts[label]["bytes_sent"]), label))
    return {
        "label": labels,
        **{count: [parts[label].get(count, "") for label in labels] for count in COUNTS},
    }


def number(value: int | str) -> int:
    """A count to compare by; what is not told goes before all that is."""
    return value if isinstance(value, int) else -1


class Published:
    """A folder of published files.

    Attributes:
        folder: Where it is.
        totals: `{id: totals}` of every Dandiset, `undetermined`, and `archive`.
        provenance: What the figures were made of and with.
        coordinates: `{region: {latitude, longitude}}`.
        ids: Those of `totals`, the archive first, `undetermined` last.

    Raises:
        UserError: It is not complete.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        dandisets = self._json("totals.json")
        self.totals = {**dandisets, ARCHIVE: self._json("archive_totals.json")}
        self.provenance = self._json("provenance.json")
        # The pure Python loader takes a second for the regions of the archive.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        text = self._text("region_codes_to_coordinates.yaml")
        self.coordinates = yaml.load(text, Loader=loader) or {}
        rest = [UNDETERMINED] if UNDETERMINED in dandisets else []
        self.ids = [ARCHIVE, *sorted(dandisets.keys() - {UNDETERMINED}), *rest]

    def summary(self, id_: str, kind: str) -> pl.DataFrame:
        """`summaries/{id}/by_{kind}.tsv`, all text."""
        return read_published(self.folder / "summaries" / id_ / f"by_{kind}.tsv", SUMMARIES[kind])

    def _text(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise UserError(
                f"{self.folder / name} is missing. Run `snakemake publish` first."
            ) from None

    def _json(self, name: str) -> Any:
        return json.loads(self._text(name))


def bytes_by_month(by_day: pl.DataFrame) -> dict[str, int]:
    """Bytes of each month with any day, `2022-05` -> bytes."""
    months = by_day.group_by(month=pl.col("date").str.head(7)).agg(
        pl.col("bytes_sent").cast(pl.Int64).sum()
    )
    return dict(months.sort("month").iter_rows())


def entry(
    published: Published, id_: str, regions: dict[str, int], assets: int, digits: int | None
) -> dict[str, Any]:
    """All that the page shows of a Dandiset, of `undetermined` or of the archive.

    Args:
        published: The folder.
        id_: Which of its ids.
        regions: Number of each region label; a label that has none yet gets the next.
        assets: How many assets at most stand by name.
        digits: Of the bytes by day, week and region of a Dandiset; None for all.
    """
    digits = None if id_ in {ARCHIVE, UNDETERMINED} else digits
    totals = published.totals[id_]
    by_region = published.summary(id_, "region")
    numbers = [regions.setdefault(label, len(regions)) for label in by_region.to_series()]
    return {
        "digits": digits,
        "by_day": by_date(published.summary(id_, "day"), digits),
        "by_week_and_type": by_date(published.summary(id_, "asset_type_per_week"), digits),
        "by_region": {"region": numbers, **columns(by_region, digits)} if numbers else None,
        "by_asset": by_asset(published.summary(id_, "asset"), assets),
        **{name: breakdown(totals, name) for name in BREAKDOWNS},
    }


def index(published: Published, regions: Iterable[str]) -> dict[str, Any]:
    """What the page needs at once: totals, bytes by month and regions, for the tables and menus."""
    months = {id_: bytes_by_month(published.summary(id_, "day")) for id_ in published.ids}
    first = min((min(of, default="9999") for of in months.values()), default="9999")
    last = max((max(of, default="0000") for of in months.values()), default="0000")
    every = month_range(first, last)
    places = published.coordinates
    return {
        "ids": published.ids,
        "totals": {
            name: [published.totals[id_].get(name, "") for id_ in published.ids] for name in TOTALS
        },
        "months": every,
        "bytes_by_month": [[months[id_].get(month, 0) for month in every] for id_ in published.ids],
        "regions": [[label, *_place(places.get(label))] for label in regions],
        "provenance": published.provenance,
    }


def _place(coordinates: dict[str, float] | None) -> list[float]:
    return [coordinates["longitude"], coordinates["latitude"]] if coordinates else []


def month_range(first: str, last: str) -> list[str]:
    """Every month from `first` to `last`, `2021-12`; none if `last` is before `first`."""
    start, end = (int(text[:4]) * 12 + int(text[5:7] or 1) - 1 for text in (first, last))
    return [f"{month // 12:04}-{month % 12 + 1:02}" for month in range(start, end + 1)]


def packed(value: Any) -> str:
    """A value as text that is safe anywhere in a page: JSON, gzipped, base64; always the same."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
