"""Write the listing of Dandisets as a snapshot, so that a run can be repeated with it later."""

from pathlib import Path

import _threads  # noqa: F401
from _listing import canonical, read_snapshot, refuse_bad_rows, write_snapshot
from _log import logging_to


def main(*, listing: Path, snapshot: Path) -> None:
    """Write a snapshot.

    Args:
        listing: What this run attributes by, `.tsv` or `.parquet`.
        snapshot: Where the same goes in its one form, `.tsv`: columns `SNAPSHOT`, each row once,
            sorted, `created` as `2022-05-01T05:06:35.000000Z`.

    Raises:
        UserError: The listing cannot be used.
    """
    rows = read_snapshot(listing).collect()
    refuse_bad_rows(rows, listing)
    digest = write_snapshot(canonical(rows), snapshot)
    print(f"{snapshot}: {len(rows)} rows, SHA-256 {digest}")


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            listing=Path(snakemake.params.listing),
            snapshot=Path(snakemake.params.snapshot),
        )
