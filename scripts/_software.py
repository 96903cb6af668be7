"""Which version of this software runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

VERSION = "0.1.0.dev0"
CODE = ("Snakefile", "rules", "scripts", "resources")
"""What figures depend on."""


def git_commit(folder: Path) -> str | None:
    """The commit that a checkout stands at, 40 hex digits; None if `folder` is no checkout's top.

    `+modified` is added when the code is not what was committed.
    """
    folder = Path(folder).resolve()
    top = _git(folder, "rev-parse", "--show-toplevel")
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if top is None or commit is None or Path(top).resolve() != folder:
        return None
    unchanged = _git(folder, "diff", "--quiet", "HEAD", "--", *CODE) is not None
    return commit if unchanged else f"{commit}+modified"


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says; None if it fails or is not there. A folder of another user is read too."""
    command = ["git", "-C", str(folder), "-c", f"safe.directory={folder}", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
