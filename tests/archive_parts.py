"""The parts of a simulated archive: its contents, days, Dandisets, region data and settings."""

import datetime as dt
import gzip
import hashlib
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from random import Random
from typing import IO, Any

import yaml
import zstandard
from log_lines import Content
from mmdb_writer import MMDBWriter
from netaddr import IPSet

# --- Contents and addresses ---------------------------------------------------------------------


def content_of_name(kind: str, name: str, size: int) -> Content:
    """A blob or Zarr store whose id depends on its name alone."""
    digest = hashlib.sha256(f"{kind} {name}".encode()).digest()
    return Content(kind, str(uuid.UUID(bytes=digest[:16], version=4)), size)


def random_content(rng: Random, kind: str) -> Content:
    """A blob or Zarr store."""
    identifier = uuid.UUID(int=rng.getrandbits(128), version=4)
    return Content(kind, str(identifier), rng.randrange(1_000, 50_000_000))


def zipf(rng: Random, count: int) -> int:
    """An index below `count`, each about as often as 1 / (index + 1)."""
    return int((count + 1) ** rng.random()) - 1


def benchmark_address(index: int) -> str:
    """The address of a number: every eighth of IPv6, the others of the benchmarking range first."""
    if index % 8 == 7:
        return str(IPv6Address((0x20010DB8 << 96) + index * 0x1_0000_0001))
    if index < 2**17:
        return str(IPv4Address((198 << 24) + (18 << 16) + index))
    return str(IPv4Address((10 << 24) + index % 2**24))


def shuffled_addresses(rng: Random, count: int) -> list[str]:
    """So many addresses, the most frequent ones anywhere among them."""
    addresses = [benchmark_address(index) for index in range(count)]
    rng.shuffle(addresses)
    return addresses


# --- Days ---------------------------------------------------------------------------------------


def day_path(raw: Path, day: dt.date, suffix: str = ".log") -> Path:
    """`{raw}/{year}/{month}/{day}{suffix}`."""
    return raw / f"{day:%Y}" / f"{day:%m}" / f"{day:%d}{suffix}"


def open_to_write(path: Path) -> IO[bytes]:
    """A new file, compressed as its suffix says, without the time or its name in the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        return _GzipFile(path)
    if path.suffix == ".zst":
        return zstandard.open(path, "wb", cctx=zstandard.ZstdCompressor(level=3))
    return path.open("wb")


class _GzipFile(gzip.GzipFile):
    """A gzip file whose bytes depend on its content alone; closes what it opened."""

    def __init__(self, path: Path) -> None:
        self._raw = path.open("wb")
        super().__init__(filename="", mode="wb", compresslevel=6, fileobj=self._raw, mtime=0)

    def close(self) -> None:
        super().close()
        self._raw.close()


def write_lines(path: Path, lines: Iterable[bytes], *, final_newline: bool = True) -> None:
    r"""Write lines (without their `\n`) as a day's file."""
    text = b"\n".join(lines)
    with open_to_write(path) as file:
        file.write(text + b"\n" if text and final_newline else text)


def delivery_name(rng: Random, time: dt.datetime) -> str:
    """The name that S3 gives to a log file when it delivers it."""
    return f"{time:%Y-%m-%d-%H-%M-%S}-{rng.getrandbits(64):016X}"


def write_delivered(rng: Random, folder: Path, day: dt.date, parts: Sequence[list[bytes]]) -> None:
    """Write a day as a folder of files, as S3 delivers them."""
    for index, lines in enumerate(parts):
        seconds = 86_400 * (index + 1) // len(parts) - rng.randrange(1, 1_000)
        write_lines(folder / delivery_name(rng, start_of(day) + dt.timedelta(0, seconds)), lines)


def start_of(day: dt.date) -> dt.datetime:
    """Midnight UTC at which a day begins, without a zone."""
    return dt.datetime.combine(day, dt.time())


def times_of_day(rng: Random, day: dt.date, count: int) -> list[dt.datetime]:
    """So many moments of a day, in order."""
    seconds = sorted(rng.randrange(86_400) for _ in range(count))
    return [start_of(day) + dt.timedelta(0, second) for second in seconds]


# --- Dandisets ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asset:
    """One row of a Dandiset snapshot: an asset of a version (`""`: of none any more)."""

    dandiset: str
    version: str
    path: str
    content: Content
    created: str


SNAPSHOT_COLUMNS = ("dandiset", "version", "path", "content_id", "kind", "size", "created")


def write_snapshot(path: Path, assets: Iterable[Asset]) -> None:
    """Write a Dandiset snapshot as TSV."""
    rows = [
        (a.dandiset, a.version, a.path, a.content.id, a.content.kind, a.content.size, a.created)
        for a in assets
    ]
    lines = ["\t".join(map(str, row)) for row in (SNAPSHOT_COLUMNS, *rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + "\n" for line in lines).encode())


# --- Regions ------------------------------------------------------------------------------------

PLACES = {
    "192.0.2.0/26": ("US", "California"),
    "192.0.2.64/26": ("DE", "Bavaria"),
    "192.0.2.128/26": ("JP", "Tokyo"),
    "192.0.2.192/26": ("BR", "São Paulo"),
    "198.51.100.0/26": ("US", "Massachusetts"),
    "198.51.100.64/26": ("GB", "England"),
    "198.51.100.128/27": ("US", None),
    "198.51.100.160/27": ("SG", "Singapore"),
    "203.0.113.0/28": ("US", "Virginia"),
    "203.0.113.240/28": ("FR", "Île-de-France"),
    "2001:db8:1::/48": ("CA", "Quebec"),
    "2001:db8:2::/48": ("AU", "Victoria"),
}
"""Block -> country code and region, None where only the country is known."""

AWS_RANGES = (
    ("203.0.113.0/26", "GLOBAL", "AMAZON"),
    ("203.0.113.16/28", "us-east-2", "AMAZON"),
    ("203.0.113.16/28", "GLOBAL", "CLOUDFRONT"),
    ("203.0.113.16/28", "us-east-2", "EC2"),
    ("203.0.113.32/28", "eu-west-1", "EC2"),
    ("2001:db8:a000::/36", "us-west-2", "AMAZON"),
    ("2001:db8:a100::/40", "GLOBAL", "GLOBALACCELERATOR"),
    ("2001:db8:a180::/48", "ap-northeast-1", "EC2"),
)
GCP_RANGES = (
    ("203.0.113.64/27", "us-central1"),
    ("203.0.113.96/28", "global"),
    ("203.0.113.32/28", "europe-west4"),
    ("2001:db8:b000::/36", "europe-west4"),
)
GITHUB_RANGES = {
    "hooks": ["203.0.113.128/29", "2001:db8:c000::/48"],
    "web": ["203.0.113.136/30"],
    "actions": ["203.0.113.136/29", "203.0.113.70/31", "2001:db8:c100::/40"],
}
VPN_RANGES = ("198.51.100.0/28", "203.0.113.0/25", "203.0.113.192/27", "192.0.2.77/32")

ADDRESSES = (
    "192.0.2.1",
    "192.0.2.23",
    "192.0.2.70",
    "192.0.2.77",
    "192.0.2.130",
    "192.0.2.200",
    "198.51.100.5",
    "198.51.100.30",
    "198.51.100.80",
    "198.51.100.130",
    "198.51.100.170",
    "198.51.100.220",
    "203.0.113.3",
    "203.0.113.18",
    "203.0.113.35",
    "203.0.113.50",
    "203.0.113.65",
    "203.0.113.71",
    "203.0.113.100",
    "203.0.113.138",
    "203.0.113.195",
    "203.0.113.245",
    "2001:db8::1",
    "2001:db8:1::17",
    "2001:db8:2:3::4",
    "2001:db8:a001::1",
    "2001:db8:a102::1",
    "2001:db8:a180::5",
    "2001:db8:b00b::1",
    "2001:db8:c101::1",
    "10.0.0.7",
    "-",
    *(f"192.0.2.{number}" for number in range(2, 256, 11)),
    *(f"198.51.100.{number}" for number in range(9, 256, 17)),
    *(f"2001:db8:1::{number:x}" for number in range(0x100, 0x108)),
)
"""At least one address of each place and each service, and of none; more of some places."""

ROUTABLE_ADDRESSES = ("192.31.196.7", "2620:4f:8000::7")
"""Addresses of AS112: globally routable, and of nobody's computer."""

BUILT = int(dt.datetime(2022, 6, 1, tzinfo=dt.UTC).timestamp())


class _RegionWriter(MMDBWriter):
    """An MMDB whose bytes do not depend on the moment it is written."""

    def _build_meta(self) -> dict[str, Any]:
        return {**super()._build_meta(), "build_epoch": BUILT}


def write_regions(path: Path) -> None:
    """Write the places as an MMDB in ipinfo's schema."""
    writer = _RegionWriter(
        ip_version=6,
        ipv4_compatible=True,
        database_type="ipinfo example_location.mmdb",
        languages=["en"],
        description={"en": "Regions of documentation addresses"},
    )
    for block, (country, region) in PLACES.items():
        record = {"country": country} | ({"region": region} if region else {})
        writer.insert_network(IPSet([block]), record)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer.to_db_file(str(path))


def aws_document() -> dict[str, Any]:
    """The published ranges of AWS."""
    entries = [
        ("ipv6_prefix" if ":" in block else "ip_prefix", block, region, service)
        for block, region, service in AWS_RANGES
    ]
    prefixes = {
        family: [
            {family: block, "region": region, "service": service, "network_border_group": region}
            for kind, block, region, service in entries
            if kind == family
        ]
        for family in ("ip_prefix", "ipv6_prefix")
    }
    return {
        "syncToken": str(BUILT),
        "createDate": "2022-06-01-00-00-00",
        "prefixes": prefixes["ip_prefix"],
        "ipv6_prefixes": prefixes["ipv6_prefix"],
    }


def gcp_document() -> dict[str, Any]:
    """The published ranges of Google Cloud."""
    return {
        "syncToken": str(BUILT * 1000),
        "creationTime": "2022-06-01T00:00:00.000000",
        "prefixes": [
            {
                "ipv6Prefix" if ":" in block else "ipv4Prefix": block,
                "service": "Google Cloud",
                "scope": scope,
            }
            for block, scope in GCP_RANGES
        ],
    }


def github_document() -> dict[str, Any]:
    """The published ranges of GitHub, among things that are no ranges."""
    return {
        "verifiable_password_authentication": False,
        "ssh_key_fingerprints": {"SHA256_ED25519": "example"},
        "ssh_keys": ["ssh-ed25519 example"],
        **GITHUB_RANGES,
        "domains": {"website": ["*.github.com"], "actions_inbound": {"full_domains": []}},
    }


def write_services(folder: Path) -> dict[str, str]:
    """Write the range documents of the known services; returns the configuration's entry."""
    documents = {
        "AWS": ("aws.json", _json(aws_document())),
        "GCP": ("gcp.json", _json(gcp_document())),
        "GitHub": ("github.json", _json(github_document())),
        "VPN": ("vpn.txt", "".join(f"{block}\n" for block in VPN_RANGES)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents.values():
        (folder / name).write_bytes(text.encode())
    return {label: str((folder / name).resolve()) for label, (name, _) in documents.items()}


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"


# --- Configuration ------------------------------------------------------------------------------


def write_config(folder: Path, **changes: Any) -> Path:
    """Write the configuration of an archive, with some of its keys changed; returns its path."""
    folder = folder.resolve()
    config = {
        "raw_logs": str(folder / "raw"),
        "results": str(folder / "results"),
        "cache": str(folder / "cache"),
        "operation": "REST.GET.OBJECT",
        "exclude": {"ips": [], "years": [], "dandisets": []},
        "restrict_to_dandisets": [],
        "accounting": {"warn_malformed_share": 1, "fail_malformed_share": 1},
        "dandi": {
            "source": "snapshot",
            "api_url": "https://api.dandiarchive.org/api",
            "snapshot": str(folder / "snapshot.tsv"),
            "refresh": "never",
        },
        "regions": {"provider": "mmdb", "mmdb": str(folder / "regions.mmdb"), "services": {}},
        "mapping": {"asset_logs": True},
        "privacy": {"minimum": 50, "round_to": 20},
    }
    merged = {
        key: {**value, **changes.get(key, {})}
        if isinstance(value, dict)
        else changes.get(key, value)
        for key, value in config.items()
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(merged, sort_keys=False), encoding="utf-8")
    return path
