"""Say what the figures were made of and with: the same for the same, with no time of the run."""

import json
import logging
from pathlib import Path
from typing import Any

import _threads  # noqa: F401
from _files import write_json
from _log import logging_to
from _log_lines import CLASSES
from _summaries import read_accounting

log = logging.getLogger(__name__)

DEFINITION = 1
"""The version of what counts: of the classes of lines, of downloads, owners, paths and regions. It
is raised when the same raw logs and the same listing would give other figures."""


def days_of(accounting: Path) -> dict[str, Any]:
    """The days and lines that were read: newest and oldest day, and lines per class, exact."""
    table = read_accounting(accounting)
    return {
        "days": {
            "oldest": table["date"].min(),
            "newest": table["date"].max(),
            "count": len(table),
        },
        "lines": {name: int(table[name].sum()) for name in ("lines", *CLASSES)},
    }


def main(
    *,
    listing: Path,
    accounting: Path,
    version: str,
    commit: str | None,
    config: str,
    provenance: Path,
) -> None:
    """Write the provenance.

    Args:
        listing: What identifies the listing of Dandisets.
        accounting: The accounts of all days.
        version: Of the software.
        commit: Of the software, None if it is no checkout.
        config: The digest of the configuration.
        provenance: Where it goes: `definition`, `software` (`version`, `git_commit`),
            `config_sha256`, `listing` (`sha256`, `date`, `dandisets`, `rows`), `days` (`oldest`,
            `newest`, `count`), `lines` (`lines` and one number per class).
    """
    write_json(
        provenance,
        {
            "definition": DEFINITION,
            "software": {"version": version, "git_commit": commit},
            "config_sha256": config,
            "listing": json.loads(listing.read_text(encoding="utf-8")),
            **days_of(accounting),
        },
    )


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            listing=Path(snakemake.input.listing),
            accounting=Path(snakemake.input.accounting),
            version=snakemake.params.version,
            commit=snakemake.params.commit,
            config=snakemake.params.config,
            provenance=Path(snakemake.output.provenance),
        )
