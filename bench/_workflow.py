"""Running the workflow as a whole on two cores: what it took, and what each of its rules."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "bench/data"
"""Where benchmarks keep what they simulated; git ignores it."""
JOB = re.compile(r"^(?:local)?(?:rule|checkpoint) (\w+):$", re.MULTILINE)


@dataclass(frozen=True)
class Measured:
    """A run of Snakemake.

    Attributes:
        seconds: By the clock, start included.
        core_seconds: Of a core, for Snakemake and all its jobs.
        peak: The highest RSS of Snakemake itself, in bytes.
        jobs: How many it started, or planned.
        rules: What the jobs of each rule took: `rule`, `jobs`, `seconds`, `core_seconds`, `peak` in
            bytes, `began` (seconds after the start of the run), in the order in which they began.
    """

    seconds: float
    core_seconds: float
    peak: int
    jobs: int
    rules: pl.DataFrame


def run(archive: Path, *arguments: str) -> Measured:
    """Run the workflow on an archive.

    Args:
        archive: Its folder, with `config.yaml` and its results.
        arguments: More of them for Snakemake.

    Raises:
        SystemExit: The run fails; its output is shown.
    """
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
        *("--directory", str(archive), "--configfile", str(archive / "config.yaml")),
        *("--cores", "2", *arguments),
    ]
    told = archive / "run.log"
    before, began, began_at = os.times(), time.perf_counter(), time.time()
    with told.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=archive,
            env={"IP_HASH_SALT": "of this benchmark", **os.environ},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, peak_of(process.pid))
            time.sleep(0.02)
    seconds, after = time.perf_counter() - began, os.times()
    if process.returncode:
        sys.exit(f"{told.read_text()}\nThe run failed, see above.")
    return Measured(
        seconds,
        sum(after[2:4]) - sum(before[2:4]),
        peak,
        sum(rule != "all" for rule in JOB.findall(told.read_text())),
        rules_of(archive / "results/benchmarks", began_at),
    )


def peak_of(process: int) -> int:
    """The highest RSS of a process so far, in bytes; 0 when it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    peak = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(peak[1]) * 1024 if peak else 0


def rules_of(benchmarks: Path, since: float) -> pl.DataFrame:
    """What the jobs of each rule took that ended after a time, by Snakemake's own benchmarks."""
    jobs = pl.DataFrame(
        list(_jobs_of(benchmarks, since)),
        {
            "rule": pl.String,
            "ended": pl.Float64,
            "seconds": pl.Float64,
            "core_seconds": pl.Float64,
            "peak": pl.Float64,
        },
        orient="row",
    )
    return (
        jobs.group_by("rule")
        .agg(
            jobs=pl.len(),
            seconds=pl.col("seconds").sum(),
            core_seconds=pl.col("core_seconds").sum(),
            peak=pl.col("peak").max(),
            began=(pl.col("ended") - pl.col("seconds")).min() - since,
        )
        .sort("began")
    )


def _jobs_of(benchmarks: Path, since: float) -> Iterator[tuple[str, float, float, float, float]]:
    for path in benchmarks.rglob("*.tsv"):
        ended = path.stat().st_mtime
        if ended >= since:
            job = pl.read_csv(path, separator="\t", null_values="NA").row(0, named=True)
            rule = path.relative_to(benchmarks).parts[0].removesuffix(".tsv")
            peak = (job["max_rss"] or 0) * 1e6
            yield rule, ended, job["s"], job["cpu_time"] or 0.0, peak
