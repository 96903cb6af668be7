"""What is published of random archives: as the oracle says, and no small count given away."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import oracle
import polars as pl
import publish
import pytest
import simulate
import yaml
from _files import write_json
from _tables import PLACEMENTS, write_table
from published_attack import REST, Cell, Sum, narrowed, pairs, read, said, sums
from test_disclosure import span
from workflow import below, cloud_countries, tree, unlike

SEEDS = (0, 3, 10, 14, 19, 24, 26, 27, 29, 41, 53, 59)
PRIVACY = [(50, 20), (10, 5), (5, 1)]


class Archive:
    """A random archive: what the oracle says of it, and the same published by our script.

    Attributes:
        minimum: Counts below it are not told.
        round_to: Other counts are multiples of it.
        files: What the oracle foretells.
        versions: The assets of each version, as summaries name them.
        published: The published folder.
    """

    def __init__(self, folder: Path, seed: int, minimum: int, round_to: int) -> None:
        path = simulate.random_archive(folder, seed)
        self.config = yaml.safe_load(path.read_text()) | {
            "privacy": {"minimum": minimum, "round_to": round_to}
        }
        self.minimum, self.round_to = minimum, round_to
        self.published = folder / "results/published"
        with contextlib.chdir(folder):
            self.files = oracle.expected(self.config, cloud_countries())
            self._assets = oracle.read_assets(self.config)
            lines: Counter[str] = Counter()
            for counts in oracle.accounting(self.config).values():
                lines.update(counts)
        self._lines = {name: lines[name] for name in ("lines", *oracle.CLASSES)}
        self.versions = self._versions()
        self._publish(folder / "results")

    def _versions(self) -> dict[tuple[str, str], set[str]]:
        newest = oracle.newest_paths(self._assets)
        found: dict[tuple[str, str], set[str]] = {}
        for asset in self._assets:
            if asset.version:
                names = found.setdefault((asset.dandiset, asset.version), set())
                names.add(newest[asset.dandiset, asset.content])
        return found

    def _publish(self, results: Path) -> None:
        mapped = results / "mapped"
        for name, data in self.files.items():
            path = results / name
            # These are published as they are, and the oracle foretells them there.
            if name.endswith("_per_week.tsv"):
                of = Path(name).parent.name
                prefix = "archive" if of == "archive" else f"{of}/dandiset"
                path = mapped / f"{prefix}_summary_by_asset_type_per_week.tsv"
            elif not name.startswith("mapped/"):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        for name, totals in json.loads(self.files["mapped/all_dandiset_totals.json"]).items():
            if (mapped / name).exists():
                write_json(mapped / name / "dandiset_totals.json", totals)
        (mapped / "region_codes_to_coordinates.yaml").write_text("{}\n")
        write_json(results / "reconciled.json", {"older": [], "left_out": []})
        write_json(results / "provenance.json", {"lines": self._lines})
        self._write_placements(results / "activity")
        publish.main(
            mapped=mapped,
            activity=results / "activity",
            reconciled=results / "reconciled.json",
            coordinates=mapped / "region_codes_to_coordinates.yaml",
            provenance=results / "provenance.json",
            published=self.published,
            note=results / "published.json",
            minimum=self.minimum,
            round_to=self.round_to,
            after=None,
            after_done=results / "published.after.json",
        )

    def _write_placements(self, folder: Path) -> None:
        newest = oracle.newest_paths(self._assets)
        rows = [
            (
                asset.dandiset,
                "/".join(asset.content),
                newest[asset.dandiset, asset.content],
                asset.version,
                asset.path,
            )
            for asset in self._assets
        ]
        table = pl.DataFrame(rows, schema={"dandiset": pl.String, **PLACEMENTS}, orient="row")
        folder.mkdir()
        for (name,), of_it in table.partition_by(["dandiset"], as_dict=True).items():
            write_table(of_it, folder / f"{name}.assets.parquet", PLACEMENTS)

    def sums(self) -> Iterator[Sum]:
        """All sums; what one has besides what is published, is a cell of it."""
        exact = self.exact()
        for number, one in enumerate(sums(exact, self.versions)):
            over = sum(exact[cell] * sign for cell, sign in one)
            rest = Cell("", REST, str(number), "")
            yield [*one, (rest, -1 if over > 0 else 1)] if over else one

    def exact(self) -> dict[Cell, int]:
        """All published counts, as they are."""
        folder = self.published.with_name("exact")
        with contextlib.chdir(self.published.parents[1]):
            files = oracle.expected(
                self.config | {"privacy": {"minimum": 0, "round_to": 1}}, cloud_countries()
            )
        for name, data in files.items():
            if name.startswith("published/"):
                path = folder / name.removeprefix("published/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        write_json(folder / "provenance.json", {"lines": self._lines})
        return read(folder)


@pytest.fixture(scope="module", params=[(seed, *one) for seed in SEEDS for one in PRIVACY], ids=str)
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return Archive(tmp_path_factory.mktemp("published") / "archive", *request.param)


def test_the_files_are_those_that_the_oracle_foretells(archive: Archive):
    made = {f"published/{name}": data for name, data in tree(archive.published).items()}
    del made["published/region_codes_to_coordinates.yaml"], made["published/provenance.json"]
    assert unlike(made, below(archive.files, "published")) == []


def test_each_count_is_told_rounded_or_stands_for_what_it_says(archive: Archive):
    exact = archive.exact()
    told = read(archive.published)
    assert told.keys() == exact.keys()
    for cell, text in told.items():
        rounded = oracle.round_count(
            exact[cell], minimum=archive.minimum, round_to=archive.round_to
        )
        assert text == rounded or (text == "hidden" and exact[cell] >= archive.minimum), cell


def test_no_count_alone_is_untold_in_a_sum(archive: Archive):
    told = read(archive.published)
    for one in archive.sums():
        untold = [cell for cell, _ in one if not isinstance(told.get(cell), int)]
        assert len(untold) != 1 or untold[0].table == REST


def test_no_attack_on_what_is_published_finds_a_small_count(archive: Archive):
    exact, told = archive.exact(), read(archive.published)
    relations = list(archive.sums())
    rests = {cell: REST for one in relations for cell, _ in one if cell.table == REST}
    order = list(pairs(told))
    words, found = (
        narrowed(said(told | rests, archive.minimum, round_to), relations, order)
        for round_to in (None, archive.round_to)
    )
    for cell, text in told.items():
        if text == f"<{archive.minimum}":
            first, last = span(exact[cell], archive.minimum)
            assert found[cell][0] <= max(words[cell][0], first), cell
            assert found[cell][1] >= min(words[cell][1], last), cell
