"""End a run with an error if a Dandiset has never had a listing; all else is done by then."""

import json
import logging
from pathlib import Path

from _log import UserError, logging_to
from _refresh import fault_report

log = logging.getLogger(__name__)


def main(*, fetched: Path) -> None:
    """Check the account of the listing.

    Args:
        fetched: As fetch_dandisets wrote it.

    Raises:
        UserError: Something that the run selects has no listing.
    """
    told = json.loads(fetched.read_text(encoding="utf-8"))
    missing = told["missing"]
    faults = {name: text for name, text in told["faults"].items() if name in missing}
    if missing:
        raise UserError(
            f"{len(missing)} without a listing: what they hold counts for another Dandiset that "
            "holds it, or as undetermined. All else is done. Run again to ask for them again.\n"
            + "\n".join(f"- {line}" for line in fault_report(faults, missing))
        )
    log.info("Every Dandiset has a listing.")


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(fetched=Path(snakemake.input.fetched))
