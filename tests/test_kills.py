"""A run that is killed at any moment, and the plain one after it, come to what one run makes."""

import math
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from faults import change_overnight, ended, prepare_example
from workflow import Tree, copy, differences, results

MANY = 60


@dataclass(frozen=True)
class Night:
    """What a run starts from, and what it makes when nobody disturbs it.

    Attributes:
        before: The folder before it. Do not change what is in it.
        after: The folder after it. Do not change what is in it.
        made: The results after it.
        changes: How often it changed a file: so many moments there are to kill it at.
    """

    before: Path
    after: Path
    made: Tree
    changes: int


def undisturbed(before: Path, after: Path) -> Night:
    """Run in a copy of a folder."""
    end = ended(copy(before, after))
    assert end.code == 0, end.told
    return Night(before, after, results(after), end.changes)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """The first run of the example."""
    folder = tmp_path_factory.mktemp("first")
    return undisturbed(prepare_example(folder / "before"), folder / "after")


@pytest.fixture(scope="module")
def nightly(tmp_path_factory: pytest.TempPathFactory, first: Night) -> Night:
    """A run on a day later: everything stands already, and much has changed."""
    folder = tmp_path_factory.mktemp("nightly")
    before = copy(first.after, folder / "before")
    change_overnight(before)
    return undisturbed(before, folder / "after")


def moments(seed: int, count: int) -> list[float]:
    """Fractions of a run, each anywhere in a part of its own."""
    rng = Random(seed)
    return [(part + rng.random()) / count for part in range(count)]


def kill_and_run_again(
    night: Night, folder: Path, moment: float, by: signal.Signals = signal.SIGKILL
) -> None:
    """Kill a run in a copy of a folder, and expect the next one to come to what it should."""
    copy(night.before, folder)
    number = math.ceil(moment * night.changes)
    killed = ended(folder, moment=number, kill_by=by)
    if by == signal.SIGKILL:
        assert killed.code == -signal.SIGKILL
    expect_the_same(night, folder, f"killed at change {number}:\n{killed.told}")


def expect_the_same(night: Night, folder: Path, story: str) -> None:
    """Run once more, plainly, and expect what a run makes that nobody disturbs."""
    again = ended(folder)
    assert again.code == 0, f"{story}\n{again.told}"
    assert differences(results(folder), night.made) == [], f"{story}\n{again.told}"
    shutil.rmtree(folder)


def kill_all_along(night: Night, folder: Path, seed: int, times: int) -> None:
    """Kill a run, and the one that goes on in its place, and so on: somewhere in each part."""
    rng = Random(seed)
    copy(night.before, folder)
    start = ended(folder, "--dry-run").changes
    story = []
    for _ in range(times):
        number = start + rng.randint(1, 2 * (night.changes - start) // times)
        story.append(f"change {number} of {ended(folder, moment=number).changes}")
    expect_the_same(night, folder, f"killed at {', '.join(story)}")


def test_the_first_run_is_killed_all_along(first: Night, tmp_path: Path):
    kill_all_along(first, tmp_path / "killed", seed=1, times=6)


def test_a_nightly_run_is_killed_all_along(nightly: Night, tmp_path: Path):
    kill_all_along(nightly, tmp_path / "killed", seed=2, times=6)


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_nightly_run_is_ended_by_a_signal(nightly: Night, tmp_path: Path, by: signal.Signals):
    [moment] = moments(int(by), 1)
    kill_and_run_again(nightly, tmp_path / "killed", moment, by)


@pytest.mark.slow
@pytest.mark.parametrize("moment", moments(3, MANY))
def test_the_first_run_is_killed_at_many_moments(first: Night, tmp_path: Path, moment: float):
    kill_and_run_again(first, tmp_path / "killed", moment)


@pytest.mark.slow
@pytest.mark.parametrize("moment", moments(4, MANY))
def test_a_nightly_run_is_killed_at_many_moments(nightly: Night, tmp_path: Path, moment: float):
    kill_and_run_again(nightly, tmp_path / "killed", moment)


@pytest.mark.slow
@pytest.mark.parametrize("moment", moments(5, 10))
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_nightly_run_is_asked_to_end_at_many_moments(
    nightly: Night, tmp_path: Path, moment: float, by: signal.Signals
):
    kill_and_run_again(nightly, tmp_path / "killed", moment, by)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_nightly_run_is_killed_all_along_in_many_ways(nightly: Night, tmp_path: Path, seed: int):
    kill_all_along(nightly, tmp_path / "killed", seed, times=12)
