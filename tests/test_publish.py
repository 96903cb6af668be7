"""The published folder in the hands of others: always whole, and what follows once it changed."""

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from workflow import (
    SHIPPED_CONFIG,
    copy,
    differences,
    finds_nothing_to_do,
    jobs_of,
    output_of,
    run,
    tree,
)


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    """A first run on the example. Not to be changed: tests change copies."""
    folder = tmp_path_factory.mktemp("publish") / "first"
    run(folder)
    return folder


@pytest.fixture
def directory(first: Path, tmp_path: Path) -> Path:
    return copy(first, tmp_path / "copy")


def configured(round_to: int = 20, **publish: Any) -> dict[str, Any]:
    """The shipped configuration with another rounding, so that what is published changes."""
    return yaml.safe_load(SHIPPED_CONFIG.read_text("utf-8")) | {
        "privacy": {"minimum": 50, "round_to": round_to},
        "publish": publish,
    }


def published(directory: Path) -> dict[str, bytes]:
    return tree(directory / "results/published")


# --- Always whole --------------------------------------------------------------------------------


def test_readers_never_find_a_file_missing(directory: Path):
    """Snakemake deletes the outputs of a job before it runs: none of these is published."""
    names = ["totals.json", "archive_totals.json", "summaries/archive/by_day.tsv"]
    missing = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            missing.extend(
                name for name in names if not (directory / "results/published" / name).exists()
            )

    reader = threading.Thread(target=read)
    reader.start()
    try:
        before = published(directory)
        run(directory, config=configured(round_to=10))
    finally:
        ended.set()
        reader.join()
    assert "summaries/archive/by_day.tsv" in differences(before, published(directory))
    assert missing == []


def test_what_is_published_stays_as_it_is_while_its_content_does(directory: Path):
    folder = directory / "results/published"
    before = folder.stat().st_ino
    result = run(directory, "--forcerun", "publish")
    assert jobs_of(result)["publish"] == 1
    assert folder.stat().st_ino == before


@pytest.mark.parametrize(
    "name", ["totals.json", "summaries", "summaries/000026/by_asset.tsv", "", "cut"]
)
def test_what_was_lost_of_it_is_published_again(first: Path, directory: Path, name: str):
    path = directory / "results/published" / name
    if name == "cut":
        (path.parent / "totals.json").write_text("{")
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    assert jobs_of(run(directory)) == {"publish": 1, "all": 1}
    assert differences(published(directory), published(first)) == []
    assert finds_nothing_to_do(directory)


def test_a_plan_shows_that_what_was_lost_comes_back_and_touches_nothing(directory: Path):
    (directory / "results/published/totals.json").unlink()
    before = tree(directory / "results")
    assert jobs_of(run(directory, "--dry-run")) == {"publish": 1, "all": 1}
    assert jobs_of(run(directory, "--dry-run", "bin_all")) == {}
    assert differences(before, tree(directory / "results")) == []
    assert jobs_of(run(directory)) == {"publish": 1, "all": 1}
    assert finds_nothing_to_do(directory)


def test_what_was_added_to_it_goes(first: Path, directory: Path):
    stale = directory / "results/published/summaries/000999/by_day.tsv"
    stale.parent.mkdir()
    stale.write_text("date\tbytes_sent\n2022-01-01\t1\n")
    run(directory, "publish")
    assert differences(published(directory), published(first)) == []


def test_nothing_is_published_when_figures_do_not_add_up(first: Path, directory: Path):
    path = directory / "results/mapped/000026/dandiset_summary_by_day.tsv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *lines[2:], ""]))
    totals = directory / "results/mapped/000026/dandiset_totals.json"
    totals.write_text(totals.read_text() + " ")
    result = run(directory, fails=True)
    assert "The figures do not add up, so nothing is published" in output_of(result)
    assert "000026: bytes sent: by day" in output_of(result)
    assert jobs_of(result)["publish"] == 0
    assert differences(published(directory), published(first)) == []


# --- What follows --------------------------------------------------------------------------------

COUNT = 'test -f "$PUBLISHED/totals.json"; echo "$PUBLISHED" >>ran; echo "It went well."'


def times_ran(directory: Path) -> int:
    ran = directory / "ran"
    if not ran.exists():
        return 0
    lines = ran.read_text().splitlines()
    assert set(lines) == {str(directory / "results/published")}
    return len(lines)


def test_a_command_follows_what_changed(directory: Path):
    run(directory, config=configured(after=COUNT))
    assert times_ran(directory) == 1
    assert finds_nothing_to_do(directory, config=configured(after=COUNT))
    run(directory, "--forcerun", "publish", config=configured(after=COUNT))
    assert times_ran(directory) == 1
    run(directory, "publish", config=configured(round_to=10, after=COUNT))
    assert times_ran(directory) == 2
    assert "It went well." in (directory / "results/logs/publish.log").read_text()
    run(directory, config=configured(round_to=5))
    assert times_ran(directory) == 2


def test_a_command_that_fails_is_seen_and_tried_again(directory: Path):
    config = configured(
        round_to=10, after=f"test -e mended || {{ echo No way.; exit 7; }}\n{COUNT}"
    )
    before = published(directory)
    for _ in range(2):
        result = run(directory, config=config, fails=True)
        assert "publish.after failed with exit code 7." in output_of(result)
        assert "No way." in output_of(result)
        assert differences(before, published(directory))
        assert json.loads((directory / "results/published/totals.json").read_text())
    assert times_ran(directory) == 0
    (directory / "mended").touch()
    run(directory, config=config)
    assert times_ran(directory) == 1
    assert finds_nothing_to_do(directory, config=config)
