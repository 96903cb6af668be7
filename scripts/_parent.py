"""Jobs that end with the run that started them."""

from __future__ import annotations

import ctypes
import logging
import signal
import sys

_SET_SIGNAL_OF_PARENTS_DEATH = 1

log = logging.getLogger(__name__)


def end_with_run() -> None:
    """Have the kernel kill this job when the Snakemake that started it is killed.

    Else it would go on alone, and could write over what the next run has made meanwhile. What it
    leaves half made is swept up by that one. On other systems than Linux a job goes on.
    """
    if not hasattr(sys.modules["__main__"], "snakemake"):
        return
    try:
        ctypes.CDLL(None).prctl(_SET_SIGNAL_OF_PARENTS_DEATH, signal.SIGKILL)
    except (OSError, AttributeError):
        log.info("This system has no prctl: a job outlives a run that is killed.")
