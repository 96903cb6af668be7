"""The command that a user has run once what is published has changed."""

from __future__ import annotations

import json
import logging
import os
import subprocess
from pathlib import Path

from _files import write_json
from _log import UserError

log = logging.getLogger(__name__)

LAST_LINES = 20
"""How many lines of what a failed command said a message repeats."""


def run_after(command: str, published: Path, content: str, done: Path) -> None:
    """Run a command, unless it has been run well for the same content before.

    Args:
        command: For the shell, `/bin/sh`. It finds the folder in the environment variable
            `PUBLISHED`, and runs where the workflow does.
        published: The folder.
        content: A digest of what stands there.
        done: Where it is noted for which content the command was last run well.

    Raises:
        UserError: The command failed. It is run again with the next try.
    """
    this = {"command": command, "content": content}
    try:
        if json.loads(done.read_text(encoding="utf-8")) == this:
            log.info("What is published has not changed: publish.after is not run.")
            return
    except (FileNotFoundError, ValueError):
        pass
    ended = subprocess.run(
        ["/bin/sh", "-c", command],
        env={**os.environ, "PUBLISHED": str(published.absolute())},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    said = ended.stdout.strip()
    if ended.returncode:
        last = "\n".join(said.splitlines()[-LAST_LINES:])
        raise UserError(
            f"publish.after failed with exit code {ended.returncode}. What is published stands in "
            f"{published}; the next run runs the command again.\n{last}"
        )
    log.info("publish.after has ended well.\n%s", said)
    write_json(done, this)
