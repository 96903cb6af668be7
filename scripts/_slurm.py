"""The jobs that a run has submitted to Slurm, should it be killed and leave them at work."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from _log import UserError

LONGEST_END = 120.0
"""Seconds that cancelled jobs may take to end."""


def note_jobs(note: Path, name: str) -> None:
    """Note the name that all jobs of the coming run have in Slurm."""
    note.write_text(name + "\n", encoding="utf-8")


def forget_jobs(note: Path) -> None:
    """Delete the note: the run has ended, and its jobs with it."""
    note.unlink(missing_ok=True)


def end_jobs(note: Path, longest: float = LONGEST_END) -> int:
    """Cancel what a killed run has left in Slurm, and wait until it has ended.

    Such a job would go on to write results while the next run makes the same ones.

    Returns:
        How many jobs there were.

    Raises:
        UserError: It cannot be told whether there are any, or they do not end.
    """
    try:
        name = note.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return 0
    jobs = _jobs_of(note, name)
    if jobs:
        _ask(note, "scancel", "--name", name)
        until = time.monotonic() + longest
        while _jobs_of(note, name):
            if time.monotonic() > until:
                raise UserError(
                    f"Jobs of a killed run are still in Slurm, though cancelled: "
                    f"squeue --name {name} shows them. Run again once they have ended."
                )
            time.sleep(1)
    forget_jobs(note)
    return len(jobs)


def _jobs_of(note: Path, name: str) -> list[str]:
    """The numbers of the jobs of a name that wait or run."""
    return _ask(note, "squeue", "--noheader", "--name", name, "--format=%i").split()


def _ask(note: Path, *command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or f"{command[0]} is not there"
        raise UserError(
            "A run on Slurm was killed, and it cannot be told whether jobs of it are still at "
            f"work: {reason.strip()}. Run where Slurm can be asked, or, if you know that "
            f"none is, delete {note}."
        ) from None
