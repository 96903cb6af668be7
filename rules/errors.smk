"""What keeps a run from beginning is said under --quiet all too, where Snakemake says nothing.

Of what goes wrong later the scripts tell.
"""

import logging
import sys

from snakemake.logging import logger
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent


class TellsErrors(logging.Handler):
    """Tells errors until a job begins."""

    has_begun = False

    def emit(self, record: logging.LogRecord) -> None:
        """Look out for them."""
        event = getattr(record, "event", None)
        if event in (LogEvent.JOB_INFO, LogEvent.GROUP_INFO):
            self.has_begun = True
        elif event == LogEvent.ERROR and not self.has_begun:
            print(record.getMessage(), file=sys.stderr)


def says_nothing() -> bool:
    """Whether Snakemake keeps silent about all."""
    settings = workflow.output_settings
    return Quietness.ALL in (settings.quiet or ()) and not settings.dryrun


if workflow.is_main_process and says_nothing():
    logger.addHandler(TellsErrors())
