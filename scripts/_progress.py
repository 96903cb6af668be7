"""How far long work has come, for who watches a terminal."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType

INTERVAL = 0.5
"""Seconds between two updates of the line."""


def announce(log: logging.Logger, message: str, *values: object) -> None:
    """Say something in the log file and, though it is no warning, to the user as well."""
    log.info(message, *values)
    print(message % values, file=sys.stderr, flush=True)


class Progress:
    """A line that is written over and over: `ipinfo: 12,000 of 50,000 (24 %), 3 min left`.

    Where stderr is no terminal nothing is written.
    """

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._began = self._shown = time.monotonic()
        self._shows = sys.stderr.isatty() and total > 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._shows:
            self._write("\n")

    def step(self, count: int) -> None:
        """Count what was done since the last step."""
        self._done += count
        now = time.monotonic()
        if self._shows and now - self._shown >= INTERVAL:
            self._shown = now
            self._write("")

    def _write(self, end: str) -> None:
        line = f"{self._what}: {self._done:,} of {self._total:,} ({self._done / self._total:.0%})"
        if 0 < self._done < self._total:
            spent = time.monotonic() - self._began
            line += f", {_length(spent / self._done * (self._total - self._done))} left"
        sys.stderr.write(f"\r{line}\x1b[K{end}")
        sys.stderr.flush()


def _length(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
