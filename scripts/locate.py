"""Find the region of every address that was not looked up before."""

import logging
from collections.abc import Iterator
from pathlib import Path

import _threads  # noqa: F401
import polars as pl
from _addresses import Networks, parse_address
from _files import keep_private
from _hashes import read_salt
from _log import logging_to
from _providers import BOGON, UNDETERMINED, UNKNOWN, Database, Nobody
from _services import read_services
from _tables import REGIONS_BY_HASH, write_table

log = logging.getLogger(__name__)

Provider = Database | Nobody


def region(text: str, services: Networks, provider: Provider) -> str:
    """The region of an address as logged: of a known service, else what the provider says."""
    address = parse_address(text)
    if address is None:
        return UNKNOWN
    known = services.label(address) or provider.region(address)
    return known or (UNKNOWN if address.is_global else BOGON)


def unasked(ips: list[Path], hashes: list[Path], known: pl.LazyFrame) -> pl.DataFrame:
    """The addresses of all months whose hash is not among the known ones: `hash`, `ip_address`."""

    def months() -> Iterator[pl.LazyFrame]:
        for addresses, keys in zip(ips, hashes, strict=True):
            month = pl.concat([pl.scan_parquet(keys), pl.scan_parquet(addresses)], how="horizontal")
            yield month.join(known, on="hash", how="anti")

    found = list(months())
    if not found:
        return pl.DataFrame(schema={"hash": pl.Binary, "ip_address": pl.String})
    return pl.concat(found).unique("hash").sort("hash").collect()


def main(
    *,
    ips: list[Path],
    hashes: list[Path],
    services: dict[str, Path],
    mmdb: Path | None,
    cache: Path,
    regions: Path,
) -> None:
    """Bring the cache of regions up to date and write the regions of all addresses.

    Args:
        ips: The addresses of each month: `IPS`.
        hashes: Their hashes: `HASHES`.
        services: The range document of each known service.
        mmdb: The provider's database, None if there is no provider.
        cache: The folder of `regions.parquet`, which keeps what was looked up: `REGIONS_BY_HASH`.
            An undetermined region is not kept, so that it is asked for again.
        regions: Where the regions of all hashes go: `REGIONS_BY_HASH`, sorted by hash. Private.

    Raises:
        UserError: The salt is not the one of before, or a document or the database cannot be read.
    """
    read_salt(cache)
    kept = keep_private(cache) / "regions.parquet"
    known = pl.scan_parquet(kept) if kept.exists() else pl.LazyFrame(schema=REGIONS_BY_HASH)
    asked = unasked(ips, hashes, known)
    networks = read_services(services)
    provider = Database(mmdb) if mmdb else Nobody()
    answers = asked.select(
        "hash",
        region=pl.Series(
            [region(text, networks, provider) for text in asked.get_column("ip_address")],
            dtype=pl.String,
        ),
    )
    everything = pl.concat([known.collect(), answers]).sort("hash")
    settled = everything.filter(pl.col("region") != UNDETERMINED)
    if len(answers):
        write_table(settled, kept, REGIONS_BY_HASH)
    write_table(everything, regions, REGIONS_BY_HASH)
    log.info(
        "%d addresses looked up, %d of them undetermined; %d known",
        len(answers),
        len(everything) - len(settled),
        len(settled),
    )


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            ips=[Path(path) for path in snakemake.input.ips],
            hashes=[Path(path) for path in snakemake.input.hashes],
            services=dict(
                zip(snakemake.params.labels, map(Path, snakemake.input.services), strict=True)
            ),
            mmdb=next(map(Path, snakemake.input.mmdb), None),
            cache=Path(snakemake.params.cache),
            regions=Path(snakemake.output.regions),
        )
