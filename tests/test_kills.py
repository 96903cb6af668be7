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

FEW, MANY = 5, 60


@dataclass(frozen=True)
class Night:
    """What a run starts from, and what it makes when nobody disturbs it.

    Attributes:
        before: The folder before it. Do not change what is in it.
        after: The results after it.
        changes: How often it changed a file: so many moments there are to kill it at.
    """

    before: Path
    after: Tree
    changes: int


def undisturbed(before: Path, folder: Path) -> Night:
    """Run in a copy of a folder."""
    end = ended(copy(before, folder))
    assert end.code == 0, end.told
    return Night(before, results(folder), end.changes)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """The first run of the example."""
    before = prepare_example(tmp_path_factory.mktemp("before") / "example")
    return undisturbed(before, tmp_path_factory.mktemp("after") / "example")


@pytest.fixture(scope="module")
def nightly(tmp_path_factory: pytest.TempPathFactory, first: Night) -> Night:
    """A run on a day later: everything stands already, and much has changed."""
    before = copy(first.before, tmp_path_factory.mktemp("before") / "nightly")
    assert ended(before).code == 0
    change_overnight(before)
    return undisturbed(before, tmp_path_factory.mktemp("after") / "nightly")


def moments(seed: int, count: int) -> list[float]:
    """Fractions of a run, each anywhere in a part of its own."""
    rng = Random(seed)
    return [(part + rng.random()) / count for part in range(count)]


def kill_and_run_again(night: Night, folder: Path, moment: float, by: signal.Signals) -> None:
    """Kill a run in a copy of a folder, and expect the next one to come to what it should."""
    copy(night.before, folder)
    number = math.ceil(moment * night.changes)
    killed = ended(folder, moment=number, kill_by=by)
    assert killed.code != 0, f"change {number}: it came to its end"
    again = ended(folder)
    assert again.code == 0, f"change {number}: {killed.told}\n{again.told}"
    assert differences(results(folder), night.after) == [], f"change {number}: {again.told}"
    assert "Nothing to be done" in ended(folder, "--dry-run").told, f"change {number}"
    shutil.rmtree(folder)


@pytest.mark.parametrize("moment", moments(1, FEW))
def test_the_first_run_is_killed(first: Night, tmp_path: Path, moment: float):
    kill_and_run_again(first, tmp_path / "killed", moment, signal.SIGKILL)


@pytest.mark.parametrize("moment", moments(2, FEW))
def test_a_nightly_run_is_killed(nightly: Night, tmp_path: Path, moment: float):
    kill_and_run_again(nightly, tmp_path / "killed", moment, signal.SIGKILL)


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_nightly_run_is_asked_to_end(nightly: Night, tmp_path: Path, by: signal.Signals):
    [moment] = moments(int(by), 1)
    kill_and_run_again(nightly, tmp_path / "killed", moment, by)


@pytest.mark.slow
@pytest.mark.parametrize("moment", moments(3, MANY))
def test_the_first_run_is_killed_at_many_moments(first: Night, tmp_path: Path, moment: float):
    kill_and_run_again(first, tmp_path / "killed", moment, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("moment", moments(4, MANY))
def test_a_nightly_run_is_killed_at_many_moments(nightly: Night, tmp_path: Path, moment: float):
    kill_and_run_again(nightly, tmp_path / "killed", moment, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("moment", moments(5, 10))
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_nightly_run_is_asked_to_end_at_many_moments(
    nightly: Night, tmp_path: Path, moment: float, by: signal.Signals
):
    kill_and_run_again(nightly, tmp_path / "killed", moment, by)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_one_run_after_the_other_is_killed(nightly: Night, tmp_path: Path, seed: int):
    """Each goes on where the last one was killed, some after a few changes, some after many."""
    rng = Random(seed)
    folder = copy(nightly.before, tmp_path / "killed")
    for _ in range(8):
        ended(folder, moment=rng.choice((rng.randint(1, 60), rng.randint(60, 500))))
    again = ended(folder)
    assert again.code == 0, again.told
    assert differences(results(folder), nightly.after) == []
