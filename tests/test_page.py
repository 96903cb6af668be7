"""What is published as the archive's usage page reads it: by position, fetched file by file.

The reading follows the page's own (dandi/access-page): rows that are not blank, at least two of
them, cells between tabs, `parseInt` of the bytes; any answer but a good one is an error. It takes
regions of a country by what stands on either side of the `/`, and of a cloud by what is in front.
"""

import json
import re
import urllib.request
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import yaml
from servers import Asked, serving
from workflow import GOLDEN

Rows = list[list[str]]
TYPES = ["Neurophysiology", "Microscopy", "Video", "Miscellaneous"]


class Page:
    """The page, which knows nothing but a base URL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.totals: dict[str, Any] = self._json("totals.json")
        self.archive: dict[str, Any] = self._json("archive_totals.json")
        self.coordinates = yaml.safe_load(self._fetch("region_codes_to_coordinates.yaml"))

    def _fetch(self, name: str) -> str:
        with urllib.request.urlopen(f"{self._url}/content/{name}", timeout=10) as answer:
            return answer.read().decode()

    def _json(self, name: str) -> Any:
        return json.loads(self._fetch(name))

    def table(self, name: str, kind: str) -> tuple[list[str], Rows]:
        """Header and rows of a summary."""
        text = self._fetch(f"summaries/{name}/by_{kind}.tsv")
        rows = [row.split("\t") for row in text.split("\n") if row.strip()]
        assert len(rows) > 1, "TSV file does not contain enough data."
        return rows[0], rows[1:]

    def bytes_by(self, name: str, kind: str) -> dict[str, int]:
        """Bytes by what stands in the first column; no row is there twice."""
        _, rows = self.table(name, kind)
        found = {row[0]: parse_int(row[1]) for row in rows}
        assert len(found) == len(rows)
        return found


def parse_int(text: str) -> int:
    """As `parseInt(text, 10)` in the page; where that gives NaN, no plot can be drawn."""
    match = re.match(r"\s*([+-]?[0-9]+)", text)
    assert match, f"{text!r} is no number"
    assert match[1] == text, f"parseInt would cut {text!r} short"
    assert int(text) < 2**53, f"parseInt would not take {text!r} exactly"
    return int(match[1])


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    def answer(asked: Asked) -> tuple[int, bytes]:
        path = GOLDEN / "published" / asked.path.removeprefix("/content/")
        return (200, path.read_bytes()) if path.is_file() else (404, b"")

    with serving(answer) as server:
        yield Page(server.url)


NAMES = ["archive", *sorted(path.name for path in (GOLDEN / "published/summaries").glob("[0-9u]*"))]


def test_the_menu(page: Page):
    assert set(page.totals) == set(NAMES) - {"archive"}
    assert "undetermined" in page.totals
    for one in (page.archive, *page.totals.values()):
        for key in ("total_bytes_sent", "number_of_unique_regions", "number_of_unique_countries"):
            assert isinstance(one[key], int)


@pytest.mark.parametrize("name", NAMES)
def test_usage_over_time(page: Page, name: str):
    days = page.bytes_by(name, "day")
    assert [date.fromisoformat(day).isoformat() for day in days] == sorted(days)
    assert sum(days.values()) == totals_of(page, name)["total_bytes_sent"]


@pytest.mark.parametrize("name", NAMES)
def test_asset_types_by_week(page: Page, name: str):
    header, rows = page.table(name, "asset_type_per_week")
    assert [kind for kind in TYPES if kind in header[1:]] == header[1:]
    weeks: dict[str, int] = {}
    for day, count in page.bytes_by(name, "day").items():
        when = date.fromisoformat(day)
        monday = (when - timedelta(days=when.weekday())).isoformat()
        weeks[monday] = weeks.get(monday, 0) + count
    assert {row[0]: sum(map(parse_int, row[1:])) for row in rows} == weeks


@pytest.mark.parametrize("name", NAMES)
def test_the_map(page: Page, name: str):
    regions = page.bytes_by(name, "region")
    for region, count in regions.items():
        # The size of a marker is a logarithm.
        assert count > 0
        assert all(region.split("/", maxsplit=1))
        if region in page.coordinates:
            place = page.coordinates[region]
            assert -90 <= place["latitude"] <= 90
            assert -180 <= place["longitude"] <= 180
    assert any(region in page.coordinates for region in regions)
    assert sum(regions.values()) == totals_of(page, name)["total_bytes_sent"]


@pytest.mark.parametrize("name", [name for name in NAMES if name.isdigit()])
def test_usage_by_asset(page: Page, name: str):
    assert sum(page.bytes_by(name, "asset").values()) == page.totals[name]["total_bytes_sent"]


def test_the_dandisets_make_the_archive(page: Page):
    days: dict[str, int] = {}
    for name in page.totals:
        for day, count in page.bytes_by(name, "day").items():
            days[day] = days.get(day, 0) + count
    assert days == page.bytes_by("archive", "day")


def totals_of(page: Page, name: str) -> dict[str, Any]:
    return page.archive if name == "archive" else page.totals[name]
