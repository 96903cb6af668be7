"""Write the page on how the runs went, for the maintainer alone."""

import dataclasses
import datetime as dt
import logging
from pathlib import Path
from typing import Any

import _threads  # noqa: F401
import polars as pl
from _files import PRIVATE_FILE, replacing
from _log import logging_to
from _log_lines import CLASSES
from _report_charts import Rows, by_class, share_over_time, specification
from _report_days import missing_days, read_accounting, undetermined_by_day
from _report_page import page
from _report_parts import RUN_SCRIPTS
from _report_periods import STEPS, by_step, period_text, step_for
from _report_runs import Run, last_runs, read_benchmarks, run_to_tell, stages, told_since
from _summaries import read_summary

log = logging.getLogger(__name__)

SHOWN_CLASSES = (
    "kept",
    "malformed",
    *(name for name in CLASSES if name not in {"kept", "malformed"}),
)
"""The two that are looked at first stand first."""
LAST_DAYS = 14
LAST_RUNS = 12
MESSAGES = 60


def seconds_text(seconds: float | None) -> str:
    """A span of time: `0.4 s`, `12 s`, `4 min 12 s`, `2 h 5 min`."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def memory_text(mebibytes: float | None) -> str:
    """Memory: `112 MiB`, `1.4 GiB`; Snakemake takes no measure of the shortest jobs."""
    if not mebibytes:
        return "–"
    return f"{mebibytes:.0f} MiB" if mebibytes < 1000 else f"{mebibytes / 1024:.1f} GiB"


def share_text(part: int, whole: int) -> str:
    """A share as a percentage, to three digits: `66.7 %`, `0.00328 %`."""
    return f"{100 * part / whole:.3g} %" if whole else "–"


def moment(day: dt.date) -> int:
    """The beginning of a day as charts take it: milliseconds, UTC."""
    return int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp() * 1000)


def steps(periods: pl.DataFrame, step: str, told: pl.Expr, figures: list[str]) -> Rows:
    """Periods as the rows of a chart of steps, closed at the end of the last.

    Args:
        periods: `start` and `end`, and what `told` needs.
        step: Of the periods.
        told: How high a step is.
        figures: What is told of each when it is pointed at.
    """
    rows = [
        {
            "start": moment(start),
            "end": moment(end),
            "told": value,
            "period": period_text(start, step),
            "figure": figure,
        }
        for (start, end, value), figure in zip(
            periods.select("start", "end", told).rows(), figures, strict=True
        )
    ]
    return [*rows, *({**last, "start": last["end"]} for last in rows[-1:])]


def class_charts(accounting: pl.DataFrame, step: str) -> list[dict[str, Any]]:
    """A row of the page for each class of lines: its name, its sum, and its lines by period."""
    periods = by_step(accounting, step)
    whole = accounting["lines"].sum()
    return [
        {
            "name": name,
            "lines": accounting[name].sum(),
            "share": share_text(accounting[name].sum(), whole),
            "rows": steps(
                periods,
                step,
                pl.col(name),
                [
                    f"{lines:,} lines, {share_text(lines, of)}"
                    for lines, of in periods.select(name, "lines").rows()
                ],
            ),
        }
        for name in SHOWN_CLASSES
    ]


def share_rows(table: pl.DataFrame, part: str, whole: str, step: str) -> Rows:
    """The share of one column in another by period, for `share_over_time`; of nothing it is 0."""
    periods = by_step(table, step)
    share = pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole)).otherwise(0.0)
    figures = [share_text(value, of) for value, of in periods.select(part, whole).rows()]
    return steps(periods, step, share.alias("share"), figures)


def days_context(results: Path, excluded_years: frozenset[int]) -> dict[str, Any]:
    """What the page says of the days of logs."""
    path = results / "accounting.tsv"
    if not path.exists():
        return {"days": None}
    accounting = read_accounting(path, CLASSES)
    step = step_for(accounting["date"])
    missing = missing_days(accounting["date"].to_list(), excluded_years)
    lines, malformed = accounting["lines"].sum(), accounting["malformed"].sum()
    return {
        "days": {
            "count": len(accounting),
            "oldest": accounting["date"].min(),
            "newest": accounting["date"].max(),
            "missing": sum(days for *_, days in missing),
            "gaps": missing[::-1],
            "lines": lines,
            "malformed": malformed,
            "malformed_share": share_text(malformed, lines),
            "step": STEPS[step][0],
            "classes": class_charts(accounting, step),
            "malformed_rows": share_rows(accounting, "malformed", "lines", step),
            "last": accounting.tail(LAST_DAYS).reverse().rows(named=True),
        }
    }


def figures_context(mapped: Path) -> dict[str, Any]:
    """What the page says of usage that could not be given to a Dandiset, or to a region."""
    if not (mapped / "archive_summary_by_region.tsv").exists():
        return {"undetermined": None}
    by_day = undetermined_by_day(mapped)
    by_region = read_summary(mapped / "archive_summary_by_region.tsv")
    waiting = by_region.filter(pl.col("region") == "undetermined")["bytes_sent"].sum()
    whole = by_day["bytes_sent"].sum()
    step = step_for(by_day["date"])
    return {
        "undetermined": {
            "share": share_text(by_day["undetermined"].sum(), whole),
            "waiting": share_text(waiting, by_region["bytes_sent"].sum()),
            "rows": share_rows(by_day, "undetermined", "bytes_sent", step),
        }
    }


def runs_context(results: Path, snakemake_logs: Path, *, is_last_job: bool) -> dict[str, Any]:
    """What the page says of the runs and their jobs."""
    runs = last_runs(snakemake_logs, LAST_RUNS)
    if is_last_job and runs:
        runs[0] = dataclasses.replace(runs[0], closed=True)
    last = run_to_tell(runs)
    benchmarks = read_benchmarks(results / "benchmarks")
    since = last.start if last else None
    messages = told_since(results / "logs", since) if since else []
    return {
        "runs": [run_row(run) for run in runs],
        "last": run_row(last) if last else None,
        "messages": messages[:MESSAGES],
        "more_messages": max(0, len(messages) - MESSAGES),
        "stages": stages(benchmarks, since).rows(named=True),
    }


def run_row(run: Run) -> dict[str, Any]:
    """A run as the page shows it."""
    jobs = {rule: number for rule, number in run.jobs.most_common() if rule != "all"}
    return {
        "start": f"{run.start:%Y-%m-%d %H:%M:%S %Z}",
        "length": seconds_text((run.end - run.start).total_seconds()),
        "state": run.state,
        "number": sum(jobs.values()),
        "jobs": ", ".join(f"{rule} {number:,}" for rule, number in jobs.items()),
        "failed": run.failed,
    }


def main(
    *,
    results: Path,
    snakemake_logs: Path,
    template: Path,
    excluded_years: frozenset[int],
    is_last_job: bool,
    page_file: Path,
) -> None:
    """Write the page, which only its owner can read. What is not there yet is left out.

    Args:
        results: The folder of results.
        snakemake_logs: The logs that Snakemake keeps of its runs.
        template: The page's template, its style and scripts beside it.
        excluded_years: Years whose days nobody misses.
        is_last_job: Whether this is the last job of a run, which then has come to its end.
        page_file: Where it goes.
    """
    days = days_context(results, excluded_years)
    figures = figures_context(results / "mapped")
    charts = {
        **{
            f"class-{row['name']}": row.pop("rows")
            for row in (days["days"] or {}).get("classes", [])
        },
        "malformed": days["days"] and days["days"].pop("malformed_rows"),
        "undetermined": figures["undetermined"] and figures["undetermined"].pop("rows"),
    }
    text = page(
        template,
        RUN_SCRIPTS,
        values={
            "charts": {
                "class": specification(by_class()),
                "share": specification(share_over_time()),
            },
            "rows": {name: rows for name, rows in charts.items() if rows},
        },
        now=f"{dt.datetime.now().astimezone():%Y-%m-%d %H:%M:%S %Z}",
        seconds_text=seconds_text,
        memory_text=memory_text,
        share_text=share_text,
        class_names=SHOWN_CLASSES,
        **days,
        **figures,
        **runs_context(results, snakemake_logs, is_last_job=is_last_job),
    )
    with replacing(page_file) as beside:
        beside.touch(PRIVATE_FILE)
        beside.write_text(text, encoding="utf-8")
    log.info("%d bytes", page_file.stat().st_size)


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            results=Path(snakemake.input.accounting).parent,
            snakemake_logs=Path(snakemake.params.snakemake_logs),
            template=Path(snakemake.input.template),
            excluded_years=frozenset(snakemake.params.excluded_years),
            is_last_job=True,
            page_file=Path(snakemake.output.page),
        )
