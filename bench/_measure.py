"""Running a script's `main` as a job on one core: how long it took, and its peak memory."""

import os
import pickle
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "scripts"
DATA = ROOT / "bench/data"
"""Where benchmarks keep what they simulated; git ignores it."""
RUNS = int(os.environ.get("RUNS", "3"))
"""How often is measured what tells the best of some runs."""

_JOB = """
import importlib, pickle, sys
sys.path.insert(0, {scripts!r})
importlib.import_module({script!r}).main(**pickle.load(sys.stdin.buffer))
"""


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds by the clock and of a core, bytes of memory at its peak."""

    seconds: float
    core_seconds: float
    peak: int

    def __add__(self, other: "Cost") -> "Cost":
        """Of one process after the other."""
        return Cost(
            self.seconds + other.seconds,
            self.core_seconds + other.core_seconds,
            max(self.peak, other.peak),
        )


def run_main(script: str, **arguments: Any) -> Cost:
    """Run `main` of a script in a process of its own, with one thread.

    Raises:
        CalledProcessError: It failed.
    """
    code = _JOB.format(scripts=str(SCRIPTS), script=script)
    return run([sys.executable, "-c", code], pickle.dumps(arguments))


def run(command: list[str], given: bytes = b"") -> Cost:
    """Run a command on one core, with `given` as its input.

    It has one thread, as Snakemake tells a job. Polars writes Parquet in one more all the same.

    Raises:
        CalledProcessError: It failed.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        [*on_cores(0, 1), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    process.stdin.write(given)
    process.stdin.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    seconds = time.perf_counter() - began
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def on_cores(number: int, cores: int) -> list[str]:
    """What keeps the process of a number on cores of its own, where there is such a command."""
    if not shutil.which("taskset"):
        return []
    first = number * cores
    return ["taskset", "-c", f"{first}-{first + cores - 1}"]


def by_core(cost: Cost) -> float:
    """The seconds of a core, to compare by."""
    return cost.core_seconds


def best(script: str, **arguments: Any) -> Cost:
    """The cheapest of `RUNS` runs of `main` of a script."""
    return min((run_main(script, **arguments) for _ in range(RUNS)), key=by_core)


def tell(what: str, cost: Cost, requests: int) -> None:
    """Print what a step cost for so many requests: the rate is that of a core."""
    print(
        f"{what:<44}{cost.seconds:8.1f} s{cost.core_seconds:8.1f} s of a core"
        f"{requests / cost.core_seconds / 1e6:8.2f} M requests/s{cost.peak / 2**30:7.2f} GiB",
        flush=True,
    )
