"""What somebody can work out who reads `published/`, and knows the listing, but nothing else.

The sums are those that docs/metrics.md names, written down anew: nothing is shared with the scripts
that hide counts.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ENDLESS = float("inf")
REQUESTS, DOWNLOADS = "number_of_requests", "number_of_downloads"
REST = "rest"
"""What is in a sum, but not published, as a table."""


class Cell(NamedTuple):
    """A count: of a Dandiset or the archive, in a table, at a label."""

    name: str
    table: str
    label: str
    measure: str


Sum = list[tuple[Cell, int]]
"""Cells with a sign, which add up to nothing."""
Bounds = dict[Cell, tuple[float, float]]
Versions = Mapping[tuple[str, str], set[str]]
"""The asset paths of each version of each Dandiset, as summaries name them."""


def read(published: Path) -> dict[Cell, int | str]:
    """All counts that are published."""
    counts: dict[Cell, int | str] = {}
    totals = json.loads((published / "totals.json").read_text())
    totals["archive"] = json.loads((published / "archive_totals.json").read_text())
    for name, one in totals.items():
        for measure in (REQUESTS, DOWNLOADS):
            counts[Cell(name, "total", "", measure)] = one[f"total_{measure}"]
            for table in ("kind_of_requester", "version"):
                for label, figures in one.get(f"by_{table}", {}).items():
                    counts[Cell(name, table, label, measure)] = figures[measure]
        counts[Cell(name, "requesters", "", REQUESTS)] = one["number_of_requesters"]
    for path in published.glob("summaries/*/by_*.tsv"):
        table = path.stem.removeprefix("by_")
        if table != "asset_type_per_week":
            _, *rows = path.read_text("utf-8").removesuffix("\n").split("\n")
            for row in rows:
                label, _, *figures = row.split("\t")
                for measure, text in zip((REQUESTS, DOWNLOADS), figures, strict=True):
                    value = int(text) if text.isdigit() else text
                    counts[Cell(path.parent.name, table, label, measure)] = value
    lines = json.loads((published / "provenance.json").read_text())["lines"]
    for label, value in lines.items():
        if label == "kept":
            assert value == counts[Cell("archive", "total", "", REQUESTS)]
        else:
            counts[Cell("lines", "class", label, REQUESTS)] = value
    return counts


def kind_of(region: str) -> str:
    """The kind of requester that a region is of."""
    if region in ("AWS", "GCP") or ("/" in region and len(region.split("/")[0]) > 2):
        return "cloud"
    return {"GitHub": "github", "VPN": "vpn"}.get(region, "other")


def sums(cells: Iterable[Cell], versions: Versions) -> Iterator[Sum]:
    """All sums that the cells are in."""
    cells = list(cells)
    places: dict[tuple, Sum] = defaultdict(list)
    for cell in cells:
        name, table, label, measure = cell
        if name == "lines":
            places["lines",].append((cell, -1 if label == "lines" else 1))
            continue
        if cell == ("archive", "total", "", REQUESTS):
            places["lines",].append((cell, 1))
        if table in ("day", "region", "asset", "kind_of_requester"):
            places[name, table, measure].append((cell, 1))
        if table in ("day", "region", "kind_of_requester", "total", "requesters"):
            places[table, label, measure].append((cell, -1 if name == "archive" else 1))
        if table == "region":
            places[name, "of a kind", kind_of(label), measure].append((cell, 1))
        if table == "kind_of_requester":
            places[name, "of a kind", label, measure].append((cell, -1))
        if table == "total":
            for parts in ("day", "region", "asset", "kind_of_requester"):
                places[name, parts, measure].append((cell, -1))
    for name, version in versions:
        for measure in (REQUESTS, DOWNLOADS):
            whole = Cell(name, "version", version, measure)
            if whole in cells:
                assets = [cell for cell in cells if cell[::3] == (name, measure)]
                assets = [cell for cell in assets if cell.table == "asset"]
                inside = [(cell, 1) for cell in assets if cell.label in versions[name, version]]
                outside = [(cell, 1) for cell in assets if (cell, 1) not in inside]
                yield [*inside, (whole, -1)]
                yield [*outside, (whole, 1), (Cell(name, "total", "", measure), -1)]
    yield from (one for one in places.values() if {sign for _, sign in one} == {1, -1})


def pairs(cells: Iterable[Cell]) -> Iterator[tuple[Cell, Cell]]:
    """Cells of which the first is never more than the second."""
    for cell in cells:
        if cell.measure == DOWNLOADS:
            yield cell, cell._replace(measure=REQUESTS)
        elif cell.table == "requesters":
            yield cell, cell._replace(table="total")


def said(counts: Mapping[Cell, int | str], minimum: int, round_to: int | None) -> Bounds:
    """What is said of each cell by its text, and by its figure, which stands for what rounds to it.

    With None for `round_to`: as if all figures were words too, `minimum` or more. Of a version
    nothing is concluded from `hidden`.
    """
    bounds: Bounds = {}
    for cell, value in counts.items():
        is_row = cell.table in ("day", "region", "asset", "version", "requesters")
        if value == f"<{minimum}":
            least = 1 if is_row and cell.measure == REQUESTS else 0
            bounds[cell] = (least, minimum - 1)
        elif isinstance(value, int) and round_to is not None:
            first = value - round_to // 2
            bounds[cell] = (max(first, minimum), first + round_to - 1)
        else:
            bounds[cell] = (0 if cell.table in ("version", REST) else minimum, ENDLESS)
    return bounds


def narrowed(bounds: Bounds, relations: list[Sum], order: list[tuple[Cell, Cell]]) -> Bounds:
    """Carry bounds from one sum to the next until none changes."""
    bounds, before = dict(bounds), {}
    while before != bounds:
        before = dict(bounds)
        for relation in relations:
            narrow(bounds, relation)
        for part, whole in order:
            bounds[whole] = (max(bounds[whole][0], bounds[part][0]), bounds[whole][1])
            bounds[part] = (bounds[part][0], min(bounds[part][1], bounds[whole][1]))
    return bounds


def narrow(bounds: Bounds, relation: Sum) -> None:
    """Narrow each cell of a sum by what the others leave of it."""
    low = [min(sign * end for end in bounds[cell]) for cell, sign in relation]
    high = [max(sign * end for end in bounds[cell]) for cell, sign in relation]
    for (cell, sign), at_most, at_least in zip(relation, but_one(low), but_one(high), strict=True):
        found = sorted((-sign * at_least, -sign * at_most))
        bounds[cell] = (max(bounds[cell][0], found[0]), min(bounds[cell][1], found[1]))
        assert bounds[cell][0] <= bounds[cell][1], cell


def but_one(terms: list[float]) -> list[float]:
    """The sum of all terms but each."""
    finite = sum(term for term in terms if abs(term) != ENDLESS)
    endless = [term for term in terms if abs(term) == ENDLESS]
    return [
        endless[0]
        if len(endless) > (abs(term) == ENDLESS)
        else finite - (0 if abs(term) == ENDLESS else term)
        for term in terms
    ]
