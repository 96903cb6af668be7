"""Ending a run that is asked to end."""

from __future__ import annotations

import _thread
import signal


def answer_beside_work() -> None:
    """Have what answers SIGTERM run beside the work, not in the middle of it.

    Snakemake's own answer takes the scheduler's lock. When the signal comes while the scheduler has
    it, such as when it looks behind a checkpoint, that run would wait for itself for ever.
    """
    answer = signal.getsignal(signal.SIGTERM)
    if callable(answer):
        signal.signal(signal.SIGTERM, lambda *given: _thread.start_new_thread(answer, given))
