"""What a script tells: to its log file, and of warnings and errors to the terminal as well."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """Something that the user can mend: what is wrong, where, and what to do."""


@contextmanager
def logging_to(path: str | Path) -> Iterator[None]:
    """Send messages to the log file `path`, and warnings and errors to stderr too.

    A `UserError` is logged as its message alone and ends the script with exit code 1. Of any other
    exception the log gets the traceback, which holds code but no data.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    to_file = logging.FileHandler(path, mode="w", encoding="utf-8")
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    to_terminal = logging.StreamHandler(sys.stderr)
    to_terminal.setLevel(logging.WARNING)
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(to_file)
    root.addHandler(to_terminal)
    try:
        yield
    except UserError as error:
        root.error("%s", error)
        raise SystemExit(1) from None
    except Exception:
        root.exception("This is not expected.")
        raise SystemExit(1) from None
    finally:
        root.removeHandler(to_file)
        root.removeHandler(to_terminal)
        to_file.close()
