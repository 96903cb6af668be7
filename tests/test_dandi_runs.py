"""Whole runs with the listing of Dandisets from the archive's API, against a fake one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fake_dandi import FakeArchive, meanwhile, status

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "tests" / "example"
DRAFT = "/dandisets/000233/versions/draft/assets/"


class Place:
    """A folder with two raw days and a configuration, in which the workflow runs."""

    def __init__(self, folder: Path, **dandi: object) -> None:
        self.folder = folder
        for day in ("2021/12/31.log.gz", "2022/05/01.log"):
            (folder / "raw" / day).parent.mkdir(parents=True)
            shutil.copy(EXAMPLE / "raw" / day, folder / "raw" / day)
        self.configure(**dandi)

    def configure(self, **dandi: object) -> None:
        config = {
            "raw_logs": "raw",
            "results": "results",
            "cache": "cache",
            "dandi": {"wait": 0.01, "tries": 2} | dandi,
            "regions": {"provider": "mmdb", "mmdb": str(EXAMPLE / "regions.mmdb")},
        }
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        command += ["--configfile", "config.yaml", "--directory", ".", "--cores", "2", *arguments]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | {"IP_HASH_SALT": "a salt for tests"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def files(self) -> dict[str, bytes]:
        """What the figures are: everything below mapped/ and published/."""
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for part in ("mapped", "published")
            for path in sorted((self.folder / "results" / part).rglob("*"))
            if path.is_file()
        }


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs from the API, one after the other: each name has its result and its requests."""
    told = {}
    place = Place(tmp_path_factory.mktemp("api"), source="api")

    with FakeArchive() as archive:
        archive.load(EXAMPLE / "dandisets.tsv")
        place.configure(source="api", api_url=archive.url)

        def run(name: str, *arguments: str) -> None:
            archive.requests.clear()
            told[name] = (place.run(*arguments), archive.paths(), place.files())

        run("plan", "--dry-run")
        archive.on(DRAFT, status(404))
        run("with a fault")
        archive.heal()
        run("mended")
        run("again")
        place.configure(source="api", api_url=archive.url, refresh="always")
        it = archive.dandisets["000233"].draft
        archive.on(
            "/dandisets/", meanwhile(lambda: setattr(it, "modified", "2024-05-01T00:00:00Z"))
        )
        run("always")
        run("always planned", "--dry-run")
    run("snapshot", "snapshot")
    return place, told


def test_planning_asks_nobody_and_says_when(runs):
    _, told = runs
    for name in ("plan", "always planned"):
        done, requests, _ = told[name]
        assert done.returncode == 0, done.stdout
        assert requests == []
    assert "The listing of Dandisets has never been fetched" in told["plan"][0].stdout
    assert "The listing of Dandisets was last refreshed on 20" in told["always planned"][0].stdout


def test_a_dandiset_without_a_listing_ends_the_run_with_an_error_and_stops_nothing(runs):
    done, _, files = runs[1]["with a fault"]
    assert done.returncode != 0
    assert "000233 has no listing yet: " in done.stdout
    assert "deleted or unknown (404)" in done.stdout
    assert "published/totals.json" in {name.removeprefix("results/") for name in files}


def test_next_run_asks_again_for_what_failed_alone(runs):
    done, requests, files = runs[1]["mended"]
    assert done.returncode == 0, done.stdout
    assert requests == ["/dandisets/", DRAFT]
    assert (
        files["results/published/totals.json"]
        != (runs[1]["with a fault"][2]["results/published/totals.json"])
    )


def test_second_run_of_the_day_has_nothing_to_do(runs):
    done, requests, files = runs[1]["again"]
    assert "Nothing to be done" in done.stdout
    assert requests == []
    assert files == runs[1]["mended"][2]


def test_refresh_always_asks_and_changes_nothing_where_nothing_is_new(runs):
    done, requests, files = runs[1]["always"]
    assert done.returncode == 0, done.stdout
    assert requests == ["/dandisets/", DRAFT]
    assert "rule map:" not in done.stdout
    assert files == runs[1]["mended"][2]


def test_a_run_from_the_snapshot_gives_the_same_figures(runs, tmp_path):
    place, told = runs
    done, _, files = told["snapshot"]
    assert done.returncode == 0, done.stdout
    written = place.folder / "results" / "dandisets" / "snapshot.tsv"
    other = Place(tmp_path, snapshot=str(written))
    done = other.run()
    assert done.returncode == 0, done.stdout
    assert other.files() == files
    provenance = json.loads(files["results/published/provenance.json"])
    digest = subprocess.run(["sha256sum", written], capture_output=True, text=True, check=True)
    assert provenance["listing"]["sha256"] == digest.stdout.split()[0]
    assert provenance["listing"]["date"] == "2022-05-02"
    assert provenance["days"] == {"oldest": "2021-12-31", "newest": "2022-05-01", "count": 2}
    assert provenance["definition"] == 1
    assert provenance["lines"]["empty"] == "<50"
    assert len(provenance["config_sha256"]) == 64
    assert set(provenance["software"]) == {"version", "git_commit"}
