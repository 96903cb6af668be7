"""How the runs went: from Snakemake's logs and benchmarks, and from what the jobs told.

Snakemake keeps the log of each run, not of dry runs, in `.snakemake/log`, named by its start.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import polars as pl

LOG_NAME = re.compile(r"(\d{4}-\d\d-\d\dT\d{6})\.\d+\.snakemake\.log$")
STARTED = re.compile(r"^(?:local)?(?:rule|checkpoint) (\w+):$", re.MULTILINE)
FINISHED = re.compile(r"^Finished jobid: \d+ \(Rule: (\w+)\)$", re.MULTILINE)
FAILED = re.compile(r"^Error in (?:rule|checkpoint|group) (\w+).*\n((?: {4}.*\n)*)", re.MULTILINE)
LOG_OF_JOB = re.compile(r"^ {4}log: (.+?)(?: \(.*\))?$", re.MULTILINE)
CLOSED = "\nComplete log(s): "
LOOKING = {"all", "status", "report", "report_usage", "report_figures", "report_run"}
"""Rules that make no figures: a run of these alone only looked at what is there."""

TOLD = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (WARNING|ERROR) (.*)$", re.MULTILINE)
BENCHMARK = {"s": pl.Float64, "max_rss": pl.Float64}


@dataclass(frozen=True)
class Run:
    """A run of the workflow.

    Attributes:
        start: When it began.
        end: When it last wrote to its log.
        jobs: How many jobs of each rule ended well.
        failed: The rule and the log file of each job that failed.
        began: Whether it began any job.
        closed: Whether it came to its end, well or not.
    """

    start: dt.datetime
    end: dt.datetime
    jobs: Counter[str]
    failed: list[tuple[str, str]]
    began: bool
    closed: bool

    @property
    def state(self) -> str:
        """`failed`, `finished`, or `open`: killed, or still at work."""
        return "failed" if self.failed else "finished" if self.closed else "open"

    @property
    def did_something(self) -> bool:
        """Whether figures can have come from it, or did not for it failed."""
        return bool(self.failed or self.jobs.keys() - LOOKING)


def read_run(log: Path) -> Run:
    """What Snakemake's log of a run tells."""
    text = log.read_text(encoding="utf-8", errors="replace")
    match = LOG_NAME.match(log.name)
    failed = [
        (rule, ", ".join(LOG_OF_JOB.findall(details))) for rule, details in FAILED.findall(text)
    ]
    return Run(
        start=dt.datetime.strptime(match[1], "%Y-%m-%dT%H%M%S").astimezone(),
        end=dt.datetime.fromtimestamp(log.stat().st_mtime).astimezone(),
        jobs=Counter(FINISHED.findall(text)),
        failed=list(dict.fromkeys(failed)),
        began=STARTED.search(text) is not None,
        closed=CLOSED in text,
    )


def last_runs(folder: Path, number: int) -> list[Run]:
    """The last runs that began a job, the newest first.

    Args:
        folder: `.snakemake/log`; there may be none.
        number: How many at most; logs are looked through until there are so many.
    """
    logs = (log for log in sorted(folder.glob("*.log"), reverse=True) if LOG_NAME.match(log.name))
    runs = (read_run(log) for log in logs)
    return list(itertools.islice((run for run in runs if run.began), number))


def run_to_tell(runs: list[Run]) -> Run | None:
    """The run that says how the figures stand: the last that did something.

    But if that failed, and one has come to its end since, then what failed has been mended.

    Args:
        runs: The newest first.
    """
    last = next((run for run in runs if run.did_something), None)
    if last is None or last.state != "failed":
        return last
    later = (run for run in runs[: runs.index(last)] if run.state == "finished")
    return next(later, last)


def told_since(logs: Path, moment: dt.datetime) -> list[tuple[str, str, str]]:
    """Warnings and errors that jobs told since a moment: log file, level, message."""
    files = (
        log for log in sorted(logs.rglob("*.log")) if log.stat().st_mtime >= moment.timestamp()
    )
    return [
        (log.relative_to(logs).as_posix(), level, message)
        for log in files
        for level, message in TOLD.findall(log.read_text(encoding="utf-8", errors="replace"))
    ]


def read_benchmarks(folder: Path) -> pl.DataFrame:
    """What each job cost when it last ran: `rule`, `job`, `seconds`, `mebibytes`, `ended`.

    `job` is empty for a rule that has one job alone; `mebibytes` is 0 or null for a job too short
    to measure.
    """
    files = sorted(folder.rglob("*.tsv"))
    jobs = [
        {
            "rule": file.relative_to(folder).parts[0].removesuffix(".tsv"),
            "job": file.stem if file.parent != folder else "",
            "ended": file.stat().st_mtime,
            "file": str(file),
        }
        for file in files
    ]
    schema = {"rule": pl.String, "job": pl.String, "ended": pl.Float64, "file": pl.String}
    table = pl.DataFrame(jobs, schema)
    if not len(table):
        return table.drop("file").with_columns(
            seconds=pl.lit(None, pl.Float64), mebibytes=pl.lit(None, pl.Float64)
        )
    costs = (
        pl.scan_csv(files, separator="\t", infer_schema=False, include_file_paths="file")
        .select("file", pl.col(list(BENCHMARK)).cast(pl.Float64, strict=False))
        .rename({"s": "seconds", "max_rss": "mebibytes"})
        .collect()
    )
    return table.join(costs, on="file", how="left", maintain_order="left").drop("file")


def stages(benchmarks: pl.DataFrame, since: dt.datetime | None) -> pl.DataFrame:
    """The cost of each rule, the longest in all first.

    Args:
        benchmarks: As `read_benchmarks` gives them.
        since: The start of the last run; None for none.

    Returns:
        `rule`, `jobs`, `seconds` in all, `median`, `longest`, `longest_job`, `mebibytes` at most,
        and of the last run `last_jobs`, `last_seconds`.
    """
    in_last = pl.col("ended") >= (since.timestamp() if since else float("inf"))
    longest = pl.col("seconds").arg_max()
    return (
        benchmarks.group_by("rule")
        .agg(
            pl.col("seconds").median().alias("median"),
            pl.col("seconds").max().alias("longest"),
            pl.col("job").get(longest).alias("longest_job"),
            pl.col("mebibytes").max(),
            pl.col("seconds").filter(in_last).sum().alias("last_seconds"),
            pl.col("seconds").sum(),
            jobs=pl.len(),
            last_jobs=in_last.sum(),
        )
        .sort("seconds", "rule", descending=[True, False])
    )
