"""What a script tells: to its log file, and of warnings and errors to the terminal as well."""

from __future__ import annotations

import errno
import logging
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from _parent import end_with_run

_MEND = {
    errno.ENOSPC: "No space is left on the disk. Free some",
    errno.EDQUOT: "The disk quota is used up. Free some space",
    errno.EROFS: "The disk can only be read. Make it writable",
    errno.EACCES: "This may not be written or read. Change its owner or mode",
}


class UserError(Exception):
    """Something that the user can mend: what is wrong, where, and what to do."""


def advice(error: Exception) -> str | None:
    """What to do about a disk that refuses; None if an error is of another kind.

    Polars tells the system's error number in its text alone.
    """
    number = getattr(error, "errno", None)
    if number is None and (told := re.search(r"\(os error ([0-9]+)\)", str(error))):
        number = int(told[1])
    if number not in _MEND:
        return None
    name = getattr(error, "filename", None)
    return f"{name}: " * bool(name) + f"{_MEND[number]} and run again; nothing has to be repaired."


def places_of(error: BaseException) -> str:
    """The traceback of an exception and of what it came from: which code, and the kinds of errors.

    What they say is left out, for it may hold an address, a line of a log or a key.
    """
    told = []
    cause: BaseException | None = error
    while cause is not None:
        told.append("".join(traceback.format_tb(cause.__traceback__)) + type(cause).__name__)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\nThat came from this:\n".join(told)


class _LogFile(logging.FileHandler):
    """A log file that may be on a full disk: the terminal is told all the same."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        pass

    def close(self) -> None:
        with suppress(OSError):
            super().close()


@contextmanager
def logging_to(path: str | Path) -> Iterator[None]:
    """Send messages of a job to the log file `path`, and warnings and errors to stderr too.

    A `UserError`, and a disk that refuses, is logged as its message alone and ends the script with
    exit code 1. Of any other exception the log gets the traceback, see `places_of`.
    """
    end_with_run()
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    to_terminal = logging.StreamHandler(sys.stderr)
    to_terminal.setLevel(logging.WARNING)
    root.addHandler(to_terminal)
    to_file = None
    try:
        to_file = _opened(Path(path))
        root.addHandler(to_file)
        yield
    except UserError as error:
        root.error("%s", error)
        raise SystemExit(1) from None
    except Exception as error:
        told = advice(error)
        if told is None:
            root.error("This is not expected.\n%s", places_of(error))
        else:
            root.error("%s", told)
        raise SystemExit(1) from None
    finally:
        root.removeHandler(to_terminal)
        if to_file:
            root.removeHandler(to_file)
            to_file.close()


def _opened(path: Path) -> _LogFile:
    path.parent.mkdir(parents=True, exist_ok=True)
    to_file = _LogFile(path, mode="w", encoding="utf-8")
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    return to_file


def has_failed(path: Path) -> bool:
    """Whether a job wrote an error into its log the last time that it ran."""
    try:
        return b" ERROR " in path.read_bytes()
    except FileNotFoundError:
        return False
