"""Measure how fast regions are found, against the way of this workflow's predecessor.

    make bench-regions

A million addresses against range documents of the real size and a database of 4.5 million networks,
on one core; and `locate` as a whole on a history of 85 months, first with nothing known, then with
everything known. The predecessor compared each address with each range in turn; so many ranges need
so long that only `PREDECESSOR_SAMPLE` addresses are tried, and the time for 10,000 is worked out.
"""

import ipaddress
import json
import os
import random
import resource
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ["POLARS_MAX_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

import hash_addresses
import locate
import polars as pl
from _providers import Database
from _services import read_services
from _tables import IPS, write_table

ADDRESSES = 1_000_000
IPV6_SHARE = 0.1
MONTHS = 85
ADDRESSES_OF_MONTH = 40_000
PREDECESSOR = 10_000
PREDECESSOR_SAMPLE = int(os.environ.get("PREDECESSOR_SAMPLE", "100"))
IPV4_DEPTH, IPV6_DEPTH = 22, 18
"""The database has 2**22 networks in IPv4 (each a /22) and 2**18 in 2000::/3."""


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long the block took: on one core, so what others do at the time does not count."""
    began = time.process_time()
    yield
    print(f"{what:<66}{time.process_time() - began:8.2f} s", flush=True)


# --- inputs --------------------------------------------------------------------------------------


def random_address(rng: random.Random, *, ipv6: bool) -> str:
    """An address anywhere, IPv6 in 2000::/3."""
    if ipv6:
        return str(ipaddress.IPv6Address(1 << 125 | rng.getrandbits(125)))
    return str(ipaddress.IPv4Address(rng.getrandbits(32)))


def random_block(rng: random.Random, *, ipv6: bool) -> str:
    """A CIDR block of a usual size."""
    length = rng.randint(32, 64) if ipv6 else rng.randint(15, 32)
    address = random_address(rng, ipv6=ipv6)
    return str(ipaddress.ip_network(f"{address}/{length}", strict=False))


def write_services(folder: Path, rng: random.Random) -> dict[str, Path]:
    """Range documents with as many ranges as the real ones."""

    def ranges(count: int, name: str, names6: str, place: str) -> list[dict[str, str]]:
        return [
            {
                names6 if ipv6 else name: random_block(rng, ipv6=ipv6),
                place: f"region-{rng.randint(1, 40)}",
            }
            for ipv6 in (rng.random() < 0.2 for _ in range(count))
        ]

    aws = ranges(11_000, "ip_prefix", "ipv6_prefix", "region")
    documents = {
        "AWS": {
            "prefixes": [entry for entry in aws if "ip_prefix" in entry],
            "ipv6_prefixes": [entry for entry in aws if "ipv6_prefix" in entry],
        },
        "GCP": {"prefixes": ranges(800, "ipv4Prefix", "ipv6Prefix", "scope")},
        "GitHub": {"actions": [random_block(rng, ipv6=rng.random() < 0.2) for _ in range(5_600)]},
        "VPN": [random_block(rng, ipv6=False) for _ in range(11_000)],
    }
    for label, document in documents.items():
        (folder / label).write_text(json.dumps(document))
    return {label: folder / label for label in documents}


def field(value: Any) -> bytes:
    """A value in the MaxMind DB format 2.0: text, map, list, or a (type, number) pair."""
    if isinstance(value, str):
        content = value.encode()
        return control(2, len(content)) + content
    if isinstance(value, dict):
        return control(7, len(value)) + b"".join(field(k) + field(v) for k, v in value.items())
    if isinstance(value, list):
        return control(11, len(value)) + b"".join(map(field, value))
    kind, number = value
    content = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return control(kind, len(content)) + content


def control(kind: int, size: int) -> bytes:
    """The control bytes in front of a value."""
    first = (kind if kind < 8 else 0) << 5 | min(size, 29)
    extended = bytes([kind - 7]) if kind > 7 else b""
    return bytes([first]) + extended + (bytes([size - 29]) if size >= 29 else b"")


def ipinfo_record(rng: random.Random) -> dict[str, Any]:
    """A record as in ipinfo's database of locations."""
    return {
        "city": f"City {rng.randint(1, 10_000)}",
        "country": rng.choice(("US", "DE", "JP", "BR")),
        "geoname_id": str(rng.randint(1, 10**7)),
        "lat": f"{rng.uniform(-90, 90):.4f}",
        "lng": f"{rng.uniform(-180, 180):.4f}",
        "postal_code": str(rng.randint(10_000, 99_999)),
        "region": f"Region {rng.randint(1, 50)}",
        "region_code": str(rng.randint(1, 50)),
        "timezone": "America/Los_Angeles",
    }


def maxmind_record(rng: random.Random) -> dict[str, Any]:
    """A record as in MaxMind's database of cities, with names in eight languages."""

    def names(name: str) -> dict[str, str]:
        languages = ("de", "en", "es", "fr", "ja", "pt-BR", "ru", "zh-CN")
        return {language: f"{name} {language}" for language in languages}

    country = {"geoname_id": (6, 6252001), "iso_code": "US", "names": names("Country")}
    return {
        "city": {"geoname_id": (6, rng.randint(1, 10**7)), "names": names("City")},
        "continent": {"code": "NA", "geoname_id": (6, 6255149), "names": names("Continent")},
        "country": country,
        "registered_country": country,
        "postal": {"code": str(rng.randint(10_000, 99_999))},
        "subdivisions": [
            {"iso_code": "CA", "names": names(f"Region {rng.randint(1, 50)}")},
        ],
    }


def write_database(path: Path, kind: str, records: list[dict[str, Any]]) -> None:
    """Write an MMDB file (MaxMind DB format 2.0) in which every network has one of the records.

    The tree of nodes is a chain to `::/96`, where IPv4 stands, with a full tree at its end, and
    another full tree at `2000::/3`.
    """
    rng = random.Random(0)
    data, offsets = b"", []
    chunks = []
    size = 0
    for record in records:
        offsets.append(size)
        chunks.append(field(record))
        size += len(chunks[-1])
    data = b"".join(chunks)
    ipv4, ipv6 = 96, 96 + 2**IPV4_DEPTH - 1
    count = ipv6 + 2**IPV6_DEPTH - 1
    pointers = [count + 16 + offset for offset in offsets]
    nodes = array("I")
    for bit in range(96):
        nodes.extend((bit + 1 if bit < 95 else ipv4, ipv6 if bit == 2 else count))
    for root, depth in ((ipv4, IPV4_DEPTH), (ipv6, IPV6_DEPTH)):
        # The children of node n of a full tree are 2n + 1 and 2n + 2.
        nodes.extend(range(root + 1, root + 2**depth - 1))
        nodes.extend(rng.choices(pointers, k=2**depth))
    nodes.byteswap()
    about = {
        "binary_format_major_version": (5, 2),
        "binary_format_minor_version": (5, 0),
        "build_epoch": (9, 1_700_000_000),
        "database_type": kind,
        "description": {"en": "made up"},
        "ip_version": (5, 6),
        "languages": ["en"],
        "node_count": (6, count),
        "record_size": (5, 32),
    }
    marker = b"\xab\xcd\xefMaxMind.com"
    path.write_bytes(nodes.tobytes() + bytes(16) + data + marker + field(about))


# --- measurements --------------------------------------------------------------------------------


def measure_lookup(folder: Path, addresses: list[str], services: dict[str, Path]) -> None:
    """All services, then the database, for every address."""
    with timed(f"load {len(services)} range documents"):
        networks = read_services(services)
    for kind, maker in (("ipinfo location", ipinfo_record), ("GeoLite2-City", maxmind_record)):
        path = folder / "regions.mmdb"
        rng = random.Random(1)
        write_database(path, kind, [maker(rng) for _ in range(20_000)])
        with timed(f"load a database of {2**IPV4_DEPTH + 2**IPV6_DEPTH:,} networks ({kind})"):
            database = Database(path)
        with timed(f"  {len(addresses):,} addresses, services and database"):
            rest = [text for text in addresses if locate.region_of_itself(text, networks) is None]
            found = sum(map(len, database.answers(rest)))
        print(f"  {len(addresses) - found:,} of services, {found:,} of the database")


def measure_history(folder: Path, services: dict[str, Path]) -> None:
    """The rule as a whole on many months."""
    rng = random.Random(2)
    everyone = [random_address(rng, ipv6=rng.random() < IPV6_SHARE) for _ in range(ADDRESSES)]
    cache, regions = folder / "cache", folder / "lookup/regions.parquet"
    ips, hashes = [], []
    for number in range(MONTHS):
        ips.append(folder / f"binned/{number:02}.ips.parquet")
        hashes.append(folder / f"binned/{number:02}.hashes.parquet")
        month = pl.Series("ip_address", rng.sample(everyone, ADDRESSES_OF_MONTH)).unique().sort()
        write_table(month.to_frame(), ips[-1], IPS)
        hash_addresses.main(ips=ips[-1], hashes=hashes[-1], cache=cache)

    def run(what: str) -> None:
        with timed(what):
            locate.main(
                ips=ips,
                hashes=hashes,
                services={label: str(path) for label, path in services.items()},
                provider=Database(folder / "regions.mmdb"),
                cache=cache,
                regions=regions,
            )

    run(f"locate: {MONTHS} months of {ADDRESSES_OF_MONTH:,} addresses, nothing known")
    run(f"locate: the same, {pl.scan_parquet(regions).collect().height:,} known")


def measure_predecessor(addresses: list[str], services: dict[str, Path]) -> None:
    """Each address with each range, made anew from its text for each, until one fits."""
    ranges = [
        block
        for document in (json.loads(path.read_text()) for path in services.values())
        for block in blocks_of(document)
        if ":" not in block
    ]
    sample = [text for text in addresses if ":" not in text][:PREDECESSOR_SAMPLE]
    began = time.perf_counter()
    for text in sample:
        next(
            (
                block
                for block in ranges
                if ipaddress.ip_address(text) in ipaddress.ip_network(block)
            ),
            None,
        )
    each = (time.perf_counter() - began) / len(sample)
    print(
        f"{f'predecessor: {PREDECESSOR:,} addresses, {len(ranges):,} IPv4 ranges alone':<66}"
        f"{each * PREDECESSOR:8.0f} s   (from {len(sample)} of them)"
    )


def blocks_of(document: Any) -> Iterator[str]:
    """The blocks of the documents written above."""
    if isinstance(document, str):
        if "/" in document:
            yield document
    else:
        for part in document.values() if isinstance(document, dict) else document:
            yield from blocks_of(part)


def main() -> None:
    """Measure everything."""
    rng = random.Random(3)
    addresses = [random_address(rng, ipv6=rng.random() < IPV6_SHARE) for _ in range(ADDRESSES)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "services").mkdir()
        services = write_services(folder / "services", rng)
        measure_lookup(folder, addresses, services)
        measure_history(folder, services)
        measure_predecessor(addresses, services)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of all this: {peak:,.0f} MB")


if __name__ == "__main__":
    main()
