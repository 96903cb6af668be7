"""What a run is going to do, said in days, months, Dandisets and bytes when its jobs are counted."""

import logging
from collections import Counter

from _plan import outline
from snakemake_interface_logger_plugins.common import LogEvent

PIPELINE = {"reduce", "bin", "assign", "gather", "map", "publish"}


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
                logger.info("\n".join(outline(counts, raw)))


if workflow.is_main_process:
    logger.addHandler(TellsPlan())
