"""Hash a month's addresses."""

import logging
from pathlib import Path

import _threads  # noqa: F401
import polars as pl
from _hashes import hash_address, read_salt
from _log import logging_to
from _tables import HASHES, write_table

log = logging.getLogger(__name__)


def main(*, ips: Path, hashes: Path, cache: Path) -> None:
    """Hash each address of a month under the salt.

    Args:
        ips: The month's addresses: `IPS`.
        hashes: Where their hashes go, in the same order: `HASHES`. Private.
        cache: Where the salt is kept.

    Raises:
        UserError: The salt is not the one of before.
    """
    key = read_salt(cache)
    addresses = pl.read_parquet(ips).get_column("ip_address")
    table = pl.DataFrame({"hash": [hash_address(key, address) for address in addresses]}, HASHES)
    write_table(table, hashes, HASHES)
    log.info("%s: %d addresses", hashes, len(table))


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            ips=Path(snakemake.input.ips),
            hashes=Path(snakemake.output.hashes),
            cache=Path(snakemake.params.cache),
        )
