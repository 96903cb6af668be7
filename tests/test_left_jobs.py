"""What a killed run has left in Slurm: a run ends it before it plans, what only looks does not.

`squeue` and `scancel` are stand-ins here; tests/slurm has the real ones.
"""

import os
from pathlib import Path

import pytest
from _files import hold
from workflow import output_of, run

NAME = "of the killed run"


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory whose results name a job that is in Slurm until it is cancelled."""
    tools = tmp_path / "tools"
    tools.mkdir()
    there = tmp_path / "there"
    there.write_text("17\n")
    for name, command in (("squeue", f'cat "{there}"'), ("scancel", f': >"{there}"')):
        (tools / name).write_text(f"#!/bin/sh\n{command}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    (tmp_path / "results").mkdir()
    (tmp_path / "results/.slurm").write_text(f"{NAME}\n")
    return tmp_path


def is_left(directory: Path) -> bool:
    there = (directory / "there").read_text() != ""
    assert (directory / "results/.slurm").exists() == there
    return there


@pytest.mark.parametrize("arguments", [("--dry-run",), ("-n", "reduce_all"), ("status",)])
def test_what_only_looks_leaves_jobs_alone(left: Path, arguments: tuple[str, ...]):
    run(left, *arguments)
    assert is_left(left)


def test_a_run_ends_them(left: Path):
    assert "Cancelled 1 Slurm jobs" in output_of(run(left, "reduce_all"))
    assert not is_left(left)


def test_a_run_that_may_not_begin_leaves_those_of_the_one_at_work_alone(left: Path):
    with hold(left / "results"):
        said = output_of(run(left, "reduce_all", fails=True))
    assert "Another run is at work" in said
    assert is_left(left)
