"""What a run is going to do, said in days, months, Dandisets and bytes when its jobs are counted."""

import logging
from collections import Counter

from _plan import outline
from snakemake_interface_logger_plugins.common import LogEvent

PIPELINE = {"reduce", "bin", "assign", "gather", "map", "publish"}


def active_dandisets() -> int:
    """How many Dandisets `gather` found when it ran last, of those that the configuration selects."""
    gathered = Path(RESULTS) / "activity" / "gathered.json"
    if not gathered.exists():
        return 0
    found = json.loads(gathered.read_text(encoding="utf-8"))["dandisets"]
    return sum(selects(config, dandiset) for dandiset in found)


class TellsPlan(logging.Handler):
    """Adds the outline of the plan to what Snakemake says of the number of jobs.

    Nothing else of Snakemake's is called between the plan and a dry run.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Look out for the one message."""
        if getattr(record, "event", None) == LogEvent.RUN_INFO:
            jobs = list(workflow.dag.needrun_jobs(exclude_finished=False))
            counts = Counter(job.rule.name for job in jobs)
            if PIPELINE & counts.keys():
                raw = sum(raw_bytes(job.wildcards) for job in jobs if job.rule.name == "reduce")
                logger.info("\n".join(outline(counts, raw, active_dandisets())))


if workflow.is_main_process:
    logger.addHandler(TellsPlan())
