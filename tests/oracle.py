"""A slow, obvious oracle of the whole workflow, in plain Python.

It goes from the same configuration, raw logs, Dandiset snapshot and range documents to the bytes
of the files that the workflow must write, one request at a time, and shares no code with it: it
was written from the documents of the formats alone. Where the two differ, one of them is wrong.

Everything is held in memory, and an address is compared with each range in turn, so it suits
some ten thousand lines, not a real day.
"""

import datetime as dt
import gzip
import ipaddress
import json
import re
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import maxminddb
import zstandard

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Content = tuple[str, str]
"""Kind (`blob` or `zarr`) and id of what an asset holds."""

CLASSES = (
    "empty",
    "malformed",
    "other_operation",
    "excluded_ip",
    "other_key",
    "unsuccessful",
    "kept",
)
UNDETERMINED = "undetermined"


class Request(NamedTuple):
    """One request that counts."""

    timestamp: dt.datetime
    ip_address: str
    object_key: str
    bytes_sent: int
    status: int


class Asset(NamedTuple):
    """One asset of one version (or of none: version `""`), as a Dandiset snapshot lists it."""

    dandiset: str
    version: str
    path: str
    content: Content
    created: dt.datetime


class Use(NamedTuple):
    """A request together with what it was for and where it came from."""

    request: Request
    region: str
    content: Content | None
    dandiset: str
    path: str


class Row(NamedTuple):
    """One row of a summary, with exact figures."""

    label: str
    bytes_sent: int
    number_of_requests: int
    number_of_downloads: int


# --- Lines --------------------------------------------------------------------------------------

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

TIME = re.compile(
    rb"\[([0-9]{2})/([A-Za-z]{3})/([0-9]{4}):([0-9]{2}):([0-9]{2}):([0-9]{2})"
    rb" ([+-])([0-9]{2})([0-9]{2})\]"
)
OPERATION = re.compile(rb"(REST|WEBSITE|S3|BATCH|SOAP)\.[A-Za-z0-9_.]+")
TAIL = re.compile(
    rb'["-] ([0-9]{3}|-) [^ ]+ ([0-9]+|-) ([0-9]+|-) ([0-9]+|-) ([0-9]+|-) (?=["-])',
)
PROTOCOL = re.compile(rb".* HTTP/[0-9]+(\.[0-9]+)?", re.DOTALL)
LARGEST_INT64 = 2**63 - 1


class Head(NamedTuple):
    """The fields of a line up to its key, and the text after the key."""

    timestamp: dt.datetime
    ip: bytes
    operation: bytes
    key: bytes
    rest: bytes


def parse_time(text: bytes) -> dt.datetime | None:
    """`[06/Apr/2022:03:05:53 +0000]` in UTC; None unless it is a real calendar time.

    S3 server access log format, field "Time": strftime `[%d/%b/%Y:%H:%M:%S %z]`.
    """
    match = TIME.fullmatch(text)
    if match is None:
        return None
    day, month, year, hour, minute, second, sign, offset_hours, offset_minutes = (
        part.decode("ascii") for part in match.groups()
    )
    if month not in MONTHS or int(offset_hours) > 23 or int(offset_minutes) > 59:
        return None
    offset = dt.timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
    zone = dt.timezone(-offset if sign == "-" else offset)
    numbers = (int(year), MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second))
    try:
        return dt.datetime(*numbers, tzinfo=zone).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def find_operation(tokens: Sequence[bytes]) -> int | None:
    """Index of the operation among the tokens that follow the IP address.

    S3 server access log format: requester, request id, operation. The requester may hold spaces
    (a CloudFront origin access identity), so the first token that reads as an operation and has
    two or more before it is meant. No field of the requester is quoted, none is empty; nor is the
    request id, where the requester holds spaces.
    """
    for index, token in enumerate(tokens):
        if index >= 2 and OPERATION.fullmatch(token):
            plain = tokens[:1] if index == 2 else tokens[:index]
            return index if all(field and b'"' not in field for field in plain) else None
    return None


def parse_head(line: bytes) -> Head | None:
    """Time, address, operation and key; None if one of them cannot be found.

    S3 server access log format: owner, bucket, [time], remote IP, requester, request id,
    operation, key, one space between each. The time itself holds one space.
    """
    tokens = line.split(b" ")
    if len(tokens) < 9:
        return None
    _owner, _bucket, time, zone, ip, *others = tokens
    timestamp = parse_time(time + b" " + zone)
    if ip == b"" or timestamp is None:
        return None
    index = find_operation(others)
    if index is None:
        return None
    operation, *after = others[index:]
    if not after or after[0] == b"":
        return None
    key, *rest = after
    return Head(timestamp, ip, operation, key, b" ".join(rest))


def parse_tail(rest: bytes) -> tuple[bytes, int] | None:
    """Status and bytes sent from the text after the key; None if not found, or ambiguous.

    S3 server access log format: "request-URI", HTTP status, error code, bytes sent, object size,
    total time, turn-around time, "referer". The request-URI may hold anything, so of several
    places that look like its end only the one right after ` HTTP/x.y"` is believed, and only if
    there is exactly one such place.
    """
    places = list(TAIL.finditer(rest))
    if len(places) > 1:
        places = [place for place in places if ends_request_line(rest, place.start())]
    if len(places) != 1:
        return None
    status, bytes_sent = places[0].group(1), places[0].group(2)
    digits = bytes_sent.lstrip(b"0") or b"0"
    if len(digits) > len(str(LARGEST_INT64)):
        return None
    number = 0 if digits == b"-" else int(digits)
    return (status, number) if number <= LARGEST_INT64 else None


def ends_request_line(rest: bytes, start: int) -> bool:
    """Whether ` HTTP/x.y` stands right before a quote at `start`."""
    return rest[start : start + 1] == b'"' and PROTOCOL.fullmatch(rest[:start]) is not None


def is_excluded(ip: bytes, excluded: Sequence[Network]) -> bool:
    """Whether an address, IPv4 or IPv6, lies in an excluded block; text that is none does not."""
    address = parse_address(text(ip))
    return address is not None and any(address in network for network in excluded)


def object_of_key(key: bytes) -> bytes | None:
    """The object that a key counts for: a blob's own key, a Zarr's store; None for other keys."""
    if key.endswith(b"/"):
        return None
    if key.startswith(b"blobs/"):
        return key
    if key.startswith(b"zarr/"):
        store = key.split(b"/")[1]
        return b"zarr/" + store if store else None
    return None


def text(value: bytes) -> str:
    """A value as text; what is not UTF-8 becomes U+FFFD."""
    return value.decode("utf-8", errors="replace")


def classify(
    line: bytes, *, operation: str, excluded: Sequence[Network]
) -> tuple[str, Request | None]:
    r"""The one class of a line (without its `\n`), and the request if it is kept."""
    line = line.rstrip(b"\r")
    if line == b"":
        return "empty", None
    head = parse_head(line)
    if head is None:
        return "malformed", None
    if head.operation != operation.encode():
        return "other_operation", None
    if is_excluded(head.ip, excluded):
        return "excluded_ip", None
    object_key = object_of_key(head.key)
    if object_key is None:
        return "other_key", None
    tail = parse_tail(head.rest)
    if tail is None:
        return "malformed", None
    status, bytes_sent = tail
    if not status.startswith(b"2"):
        return "unsuccessful", None
    values = (head.timestamp, text(head.ip), text(object_key), bytes_sent, int(status))
    return "kept", Request(*values)


# --- Days ---------------------------------------------------------------------------------------

Day = tuple[str, str, str]


def days(raw_logs: Path) -> Iterator[tuple[Day, Path]]:
    """Each day, in order of date, with its file or folder: `{year}/{month}/{day}[.log[.gz|.zst]]`.

    Raises ValueError if a day is there twice.
    """
    found: dict[Day, Path] = {}
    for path in sorted(Path(raw_logs).glob("*/*/*")):
        name = path.relative_to(raw_logs).as_posix()
        pattern = r"([0-9]{4})/([0-9]{2})/([0-9]{2})" + (
            "" if path.is_dir() else r"\.log(\.gz|\.zst)?"
        )
        match = re.fullmatch(pattern, name)
        if match is None:
            continue
        day = (match[1], match[2], match[3])
        if day in found:
            raise ValueError(f"{'-'.join(day)} is there twice: {found[day]} and {path}")
        found[day] = path
    yield from sorted(found.items())


def read_bytes(path: Path) -> bytes:
    """A file's content, decompressed as its suffix says."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zst":
        with path.open("rb") as file:
            return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
    return path.read_bytes()


def read_day(path: Path) -> Iterator[bytes]:
    r"""The lines of a day, without their `\n`, from a file or a folder of delivered files.

    A line ends at `\n` alone. What follows the last `\n` of a file is a line if it has any byte.
    """
    files = [path]
    if path.is_dir():
        inside = sorted(path.iterdir(), key=lambda file: file.name.encode())
        files = [file for file in inside if file.is_file() and not file.name.startswith(".")]
    for file in files:
        *lines, last = read_bytes(file).split(b"\n")
        yield from lines
        if last:
            yield last


def reduce_day(
    lines: Iterable[bytes], *, operation: str, excluded: Sequence[Network]
) -> tuple[dict[str, int], list[Request]]:
    """Lines per class (they add up to `lines`), and the kept requests in the order of the log."""
    counts = dict.fromkeys(("lines", *CLASSES), 0)
    kept = []
    for line in lines:
        name, request = classify(line, operation=operation, excluded=excluded)
        counts["lines"] += 1
        counts[name] += 1
        if request is not None:
            kept.append(request)
    return counts, kept


# --- Dandisets ----------------------------------------------------------------------------------


def parse_created(value: str) -> dt.datetime:
    """An instant of the DANDI API: `Z`, with or without microseconds; UTC if no zone is named."""
    instant = dt.datetime.fromisoformat(value)
    return instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)


def read_snapshot(path: Path) -> list[Asset]:
    """The assets of a Dandiset snapshot, `.tsv`: one row per asset of a version."""
    if path.suffix != ".tsv":
        raise ValueError(f"{path}: the oracle reads a snapshot from .tsv only")
    header, *lines = path.read_bytes().decode("utf-8").split("\n")
    names = header.rstrip("\r").split("\t")
    rows = [dict(zip(names, line.rstrip("\r").split("\t"), strict=True)) for line in lines if line]
    return [
        Asset(
            dandiset=row["dandiset"],
            version=row["version"],
            path=row["path"],
            content=(row["kind"], row["content_id"]),
            created=parse_created(row["created"]),
        )
        for row in rows
    ]


def content_of_object(object_key: str) -> Content | None:
    """What an object key holds; None if it is not a key that the DANDI archive makes.

    DANDI: blob -> `blobs/{id[0:3]}/{id[3:6]}/{id}`; Zarr -> `zarr/{id}/…`.
    """
    kind, *parts = object_key.split("/")
    identifier = parts[-1]
    if kind == "zarr" and len(parts) == 1:
        return "zarr", identifier
    if kind == "blobs" and parts == [identifier[0:3], identifier[3:6], identifier]:
        return "blob", identifier
    return None


def owners(assets: Iterable[Asset]) -> dict[Content, str]:
    """The Dandiset that each content belongs to: the first by (asset created, Dandiset id)."""
    candidates = defaultdict(list)
    for asset in assets:
        candidates[asset.content].append((asset.created, asset.dandiset))
    return {content: min(pairs)[1] for content, pairs in candidates.items()}


def version_rank(version: str) -> tuple[int, tuple[int, ...]]:
    """Larger is newer: no version, then published ones by their numbers, then the draft."""
    if version == "draft":
        return 2, ()
    if version == "":
        return 0, ()
    return 1, tuple(int(part) for part in version.split("."))


def newest_paths(assets: Iterable[Asset]) -> dict[tuple[str, Content], str]:
    """The path that a content goes by in each Dandiset: of its newest version, first as text."""
    places = defaultdict(list)
    for asset in assets:
        places[asset.dandiset, asset.content].append((version_rank(asset.version), asset.path))
    newest = {}
    for holder, ranked in places.items():
        top = max(rank for rank, _ in ranked)
        newest[holder] = min(path for rank, path in ranked if rank == top)
    return newest


def versions(assets: Iterable[Asset]) -> dict[tuple[str, str], list[Asset]]:
    """The assets of each version of each Dandiset; those that no version holds are in none."""
    tables = defaultdict(list)
    for asset in assets:
        if asset.version:
            tables[asset.dandiset, asset.version].append(asset)
    return tables


# --- Regions ------------------------------------------------------------------------------------


def parse_address(value: str) -> Address | None:
    """An IPv4 or IPv6 address; None for any other text, such as `-`."""
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        return None


def parse_network(value: object) -> Network | None:
    """An address or CIDR block; None for anything else."""
    try:
        return ipaddress.ip_network(value, strict=False) if isinstance(value, str) else None
    except ValueError:
        return None


def read_document(source: str) -> str:
    """A range document, from a path or a URL."""
    if re.match(r"(https?|file)://", source):
        with urllib.request.urlopen(source, timeout=10) as answer:
            return answer.read().decode("utf-8")
    return Path(source).read_text(encoding="utf-8")


def listed_ranges(document: str) -> list[tuple[object, str]]:
    """Each entry of a range document that may be a CIDR, with its region (`""` where none).

    AWS: `prefixes[{ip_prefix, region}]`, `ipv6_prefixes[{ipv6_prefix, region}]`; GCP:
    `prefixes[{ipv4Prefix or ipv6Prefix, scope}]`; GitHub: lists per key, of CIDRs or of other
    things; else one CIDR a line.
    """
    if not document.lstrip().startswith(("{", "[")):
        return [(line.strip(), "") for line in document.split("\n")]
    content = json.loads(document)
    lists = content.values() if isinstance(content, dict) else [content]
    entries = [
        entry for entry_list in lists if isinstance(entry_list, list) for entry in entry_list
    ]
    ranges = []
    for entry in entries:
        if isinstance(entry, dict):
            region = entry.get("region", entry.get("scope", ""))
            names = ("ip_prefix", "ipv6_prefix", "ipv4Prefix", "ipv6Prefix")
            ranges += [(entry[name], region) for name in names if name in entry]
        else:
            ranges.append((entry, ""))
    return ranges


def service_label(service: str, region: str) -> str:
    """`AWS/us-east-2`, `GCP/us-central1`; every other service goes by its name alone."""
    return f"{service}/{region}" if service in ("AWS", "GCP") else service


def read_services(services: Mapping[str, str]) -> list[tuple[Network, str]]:
    """All ranges of all services, those that win first.

    The longest prefix wins; of equal ones AWS, then GCP, then the order of the configuration;
    within a document a region before `GLOBAL`, then the order of the document.
    """
    first = [name for name in ("AWS", "GCP") if name in services]
    ranges = []
    for service in [*first, *(name for name in services if name not in first)]:
        listed = listed_ranges(read_document(str(services[service])))
        if service == "AWS":
            listed = sorted(listed, key=lambda entry: entry[1] == "GLOBAL")
        for value, region in listed:
            network = parse_network(value)
            if network is not None:
                ranges.append((network, service_label(service, region)))
    return sorted(ranges, key=lambda entry: -entry[0].prefixlen)


def place_of_record(record: Any) -> str | None:
    """`CC/Region` or `CC` from an answer of a provider; None if it names no country.

    ipinfo: `country` or `country_code`, `region`, perhaps below `geo`; MaxMind:
    `country.iso_code`, `subdivisions[0].names.en`.
    """
    if not isinstance(record, Mapping):
        return None
    nested = record.get("geo")
    fields = {**(nested if isinstance(nested, Mapping) else {}), **record}
    country = fields.get("country")
    if isinstance(country, Mapping):
        country = country.get("iso_code")
    codes = [code for code in (fields.get("country_code"), country) if is_country(code)]
    if not codes:
        return None
    region = fields.get("region")
    if not region and fields.get("subdivisions"):
        region = fields["subdivisions"][0].get("names", {}).get("en")
    return f"{codes[0]}/{region}" if region else codes[0]


def is_country(value: object) -> bool:
    """Whether a value looks like an ISO 3166 alpha-2 code."""
    return isinstance(value, str) and re.fullmatch("[A-Z]{2}", value) is not None


def ask_mmdb(path: Path) -> Callable[[Address], str | None]:
    """A provider that answers from an MMDB file."""
    database = maxminddb.open_database(path)

    def ask(address: Address) -> str | None:
        try:
            record = database.get(address)
        except ValueError:  # an IPv6 address in a database of IPv4 ones
            record = None
        return place_of_record(record) or not_known(address)

    return ask


def ask_ipinfo(answers: Mapping[str, Mapping]) -> Callable[[Address], str]:
    """A provider that gave these answers; it knows bogons by itself, and was not asked the rest."""

    def ask(address: Address) -> str:
        if str(address) in answers:
            return place_of_record(answers[str(address)]) or not_known(address)
        return UNDETERMINED if address.is_global else not_known(address)

    return ask


def ask_nobody(_: Address) -> str:
    """No provider: no address was asked about yet."""
    return UNDETERMINED


def not_known(address: Address) -> str:
    """The label of an address that the provider does not know."""
    return "unknown" if address.is_global else "bogon"


def locator(regions: Mapping[str, Any], ipinfo: Mapping[str, Mapping]) -> Callable[[str], str]:
    """A function from an address as logged to its region: services first, then the provider."""
    ranges = read_services(regions.get("services") or {})
    provider = regions.get("provider", "none")
    if provider == "mmdb":
        ask = ask_mmdb(Path(regions["mmdb"]))
    elif provider == "ipinfo":
        ask = ask_ipinfo(ipinfo)
    else:
        ask = ask_nobody
    known: dict[str, str] = {}

    def look_up(ip: str) -> str:
        address = parse_address(ip)
        if address is None:
            return "unknown"
        for network, label in ranges:
            if address in network:
                return label
        return ask(address)

    def locate(ip: str) -> str:
        if ip not in known:
            known[ip] = look_up(ip)
        return known[ip]

    return locate


def is_place(region: str) -> bool:
    """Whether a region counts as unique: bare labels do not, nor do clouds' placeless regions."""
    return "/" in region and region.lower() not in ("aws/global", "gcp/global")


def country_of_region(region: str, cloud_countries: Mapping[str, str]) -> str | None:
    """The ISO 3166 code of a region; a cloud region's is that of the place where it stands."""
    head = region.partition("/")[0]
    if head in ("AWS", "GCP"):
        return cloud_countries.get(region)
    return head if is_country(head) else None


# --- Figures ------------------------------------------------------------------------------------


def summarize(labelled: Iterable[tuple[str, Request]]) -> list[Row]:
    """One row per label, by label. A download is a request of status 200."""
    groups: dict[str, list[Request]] = defaultdict(list)
    for label, request in labelled:
        groups[label].append(request)
    return [
        Row(
            label=label,
            bytes_sent=sum(request.bytes_sent for request in requests),
            number_of_requests=len(requests),
            number_of_downloads=sum(request.status == 200 for request in requests),
        )
        for label, requests in sorted(groups.items())
    ]


def largest_first(rows: Iterable[Row]) -> list[Row]:
    """By bytes, largest first, then by name."""
    return sorted(rows, key=lambda row: (-row.bytes_sent, row.label))


def date_of(request: Request) -> str:
    """The UTC date of a request, whatever file it stood in."""
    return request.timestamp.date().isoformat()


def by_day(uses: Iterable[Use]) -> list[Row]:
    """Figures per day, by date."""
    return summarize((date_of(use.request), use.request) for use in uses)


def by_region(uses: Iterable[Use]) -> list[Row]:
    """Figures per region, largest first."""
    return largest_first(summarize((use.region, use.request) for use in uses))


def by_asset(uses: Iterable[Use]) -> list[Row]:
    """Figures per asset path, largest first."""
    return largest_first(summarize((use.path, use.request) for use in uses))


def kind_of_requester(region: str) -> str:
    """`cloud`, `github`, `vpn` or `other`.

    A label with a `/` is a country's, with a code of two letters, or a cloud's.
    """
    head, slash, _ = region.partition("/")
    if region in ("AWS", "GCP") or (slash and len(head) > 2):
        return "cloud"
    return {"GitHub": "github", "VPN": "vpn"}.get(region, "other")


def figures_of(requests: Sequence[Request]) -> dict[str, int]:
    """The three figures of some requests."""
    return {
        "bytes_sent": sum(request.bytes_sent for request in requests),
        "number_of_requests": len(requests),
        "number_of_downloads": sum(request.status == 200 for request in requests),
    }


def figures_by_kind(uses: Iterable[Use]) -> dict[str, dict[str, int]]:
    """The figures of each kind of requester, also of those that did not ask."""
    kinds: dict[str, list[Request]] = {"cloud": [], "github": [], "vpn": [], "other": []}
    for use in uses:
        kinds[kind_of_requester(use.region)].append(use.request)
    return {kind: figures_of(requests) for kind, requests in kinds.items()}


def figures_by_version(
    dandiset: str, uses: Iterable[Use], assets: Iterable[Asset]
) -> dict[str, dict[str, int]]:
    """The figures of each version of a Dandiset over its assets, whoever owns their content."""
    of_content = defaultdict(list)
    for use in uses:
        of_content[use.content].append(use.request)
    of_version = {
        version: [request for asset in held for request in of_content[asset.content]]
        for (holder, version), held in versions(assets).items()
        if holder == dandiset
    }
    return {version: figures_of(requests) for version, requests in of_version.items() if requests}


def totals_of_each(
    uses: Sequence[Use],
    owned: Mapping[str, Sequence[Use]],
    assets: Sequence[Asset],
    cloud_countries: Mapping[str, str],
) -> dict[str, dict[str, Any]]:
    """The exact totals of every Dandiset that owns activity, and of `undetermined`."""
    of_each = {dandiset: totals(of_it, cloud_countries) for dandiset, of_it in owned.items()}
    for dandiset in of_each.keys() - {UNDETERMINED}:
        of_each[dandiset]["by_version"] = figures_by_version(dandiset, uses, assets)
    return of_each


def totals(uses: Sequence[Use], cloud_countries: Mapping[str, str]) -> dict[str, Any]:
    """The exact totals of some requests."""
    regions = {use.region for use in uses}
    countries = {country_of_region(region, cloud_countries) for region in regions}
    return {
        "total_bytes_sent": sum(use.request.bytes_sent for use in uses),
        "total_number_of_requests": len(uses),
        "total_number_of_downloads": sum(use.request.status == 200 for use in uses),
        "number_of_requesters": len({use.request.ip_address for use in uses}),
        "number_of_unique_regions": sum(is_place(region) for region in regions),
        "number_of_unique_countries": len(countries - {None}),
        "by_kind_of_requester": figures_by_kind(uses),
    }


# --- Files --------------------------------------------------------------------------------------

Files = dict[str, bytes]
FIGURES = ("bytes_sent", "number_of_requests", "number_of_downloads")


def tsv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    r"""A table: header row, tab, `\n`, no quotes."""
    lines = ["\t".join(str(value) for value in row) for row in (header, *rows)]
    return "".join(line + "\n" for line in lines).encode("utf-8")


def json_file(content: object) -> bytes:
    """JSON: two spaces, sorted keys, final newline."""
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode("utf-8")


def summaries(prefix: str, uses: Sequence[Use], kinds: Sequence[str]) -> Files:
    """The exact summaries `{prefix}{kind}.tsv`, none of them if there were no requests."""
    makers = {"day": ("date", by_day), "region": ("region", by_region)}
    makers["asset"] = ("asset_path", by_asset)
    if not uses:
        return {}
    return {
        f"{prefix}{kind}.tsv": tsv((makers[kind][0], *FIGURES), makers[kind][1](uses))
        for kind in kinds
    }


def is_safe(path: str) -> bool:
    """Whether an asset path stays inside its folder; one that does not is never joined."""
    return not path.startswith("/") and "\0" not in path and ".." not in path.split("/")


def asset_logs(folder: str, uses: Iterable[Use]) -> Files:
    """One log per asset of a version, in time order, ties in the order of the raw logs."""
    of_path: dict[str, list[Use]] = defaultdict(list)
    for use in uses:
        if is_safe(use.path):
            of_path[use.path].append(use)
    files = {}
    for path, of_asset in of_path.items():
        in_order = sorted(of_asset, key=lambda use: use.request.timestamp)
        rows = [
            (
                use.request.timestamp.replace(tzinfo=None).isoformat(timespec="seconds"),
                use.request.bytes_sent,
                use.region,
            )
            for use in in_order
        ]
        files[f"{folder}/{path}.tsv"] = tsv(("timestamp", "bytes_sent", "region"), rows)
    return files


def version_files(uses: Sequence[Use], assets: Sequence[Asset], *, logs: bool) -> Files:
    """`mapped/{dandiset}/{version}/`: every asset of the version counts, whoever owns it."""
    of_content = defaultdict(list)
    for use in uses:
        of_content[use.content].append(use)
    files: Files = {}
    for (dandiset, version), held in versions(assets).items():
        folder = f"mapped/{dandiset}/{version}"
        of_version = [
            use._replace(path=asset.path) for asset in held for use in of_content[asset.content]
        ]
        if logs:
            files |= asset_logs(folder, of_version)
        prefix = f"{folder}/version_summary_by_"
        files |= summaries(prefix, of_version, ("day", "region", "asset"))
    return files


def dandiset_files(dandiset: str, uses: Sequence[Use]) -> Files:
    """`mapped/{dandiset}/dandiset_summary_by_*`: the requests for what the Dandiset owns."""
    kinds = ("day", "region") if dandiset == UNDETERMINED else ("day", "region", "asset")
    return summaries(f"mapped/{dandiset}/dandiset_summary_by_", uses, kinds)


# --- Publishing ---------------------------------------------------------------------------------

TYPE_OF_SUFFIX = {
    "nwb": "Neurophysiology",
    "nii": "Microscopy",
    "tif": "Microscopy",
    "tiff": "Microscopy",
    "ome": "Microscopy",
    "bvecs": "Microscopy",
    "bvals": "Microscopy",
    "trk": "Microscopy",
    "mp4": "Video",
    "mov": "Video",
    "wmv": "Video",
    "avi": "Video",
    "mkv": "Video",
}
TYPES = ("Neurophysiology", "Microscopy", "Video", "Miscellaneous")


def round_count(count: int, *, minimum: int, round_to: int) -> int | str:
    """A published count: `<minimum` below it, else to the nearest multiple, half up."""
    if count < minimum:
        return f"<{minimum}"
    quotient, remainder = divmod(count, round_to)
    nearest = quotient + 1 if 2 * remainder >= round_to else quotient
    return max(nearest * round_to, minimum)


def asset_type(path: str) -> str:
    """The type of an asset by the suffix of its name, as the usage page groups them."""
    name = path.split("/")[-1].lower().removesuffix(".gz")
    _, *suffixes = name.split(".")
    if suffixes and suffixes[-1] == "zarr":
        inner = suffixes[-2] if len(suffixes) > 1 else ""
        return TYPE_OF_SUFFIX.get(inner, "Microscopy")
    return TYPE_OF_SUFFIX.get(suffixes[-1], "Miscellaneous") if suffixes else "Miscellaneous"


def week_of(request: Request) -> str:
    """The Monday of a request's UTC date."""
    date = request.timestamp.date()
    return (date - dt.timedelta(days=date.weekday())).isoformat()


def by_asset_type_per_week(uses: Iterable[Use]) -> bytes:
    """Bytes per week and type of asset; a column for each type that occurs."""
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for use in uses:
        kind = "Miscellaneous" if use.dandiset == UNDETERMINED else asset_type(use.path)
        sums[week_of(use.request), kind] += use.request.bytes_sent
    weeks = sorted({week for week, _ in sums})
    kinds = [kind for kind in TYPES if any(kind == occurring for _, occurring in sums)]
    rows = [(week, *(sums.get((week, kind), 0) for kind in kinds)) for week in weeks]
    return tsv(("week_start", *kinds), rows)


def without_zero_bytes(rows: Sequence[Row]) -> list[Row]:
    """No region without bytes, whose marker would have no size; but at least one row."""
    return [row for row in rows if row.bytes_sent > 0] or list(rows[:1])


def published_summaries(name: str, uses: Sequence[Use], rounded: Callable[[int], Any]) -> Files:
    """`published/summaries/{name}/`: exact bytes, rounded counts."""

    def table(first: str, rows: Iterable[Row]) -> bytes:
        return tsv(
            (first, *FIGURES),
            [
                (
                    row.label,
                    row.bytes_sent,
                    rounded(row.number_of_requests),
                    rounded(row.number_of_downloads),
                )
                for row in rows
            ],
        )

    folder = f"published/summaries/{name}"
    files = {
        f"{folder}/by_day.tsv": table("date", by_day(uses)),
        f"{folder}/by_region.tsv": table("region", without_zero_bytes(by_region(uses))),
        f"{folder}/by_asset_type_per_week.tsv": by_asset_type_per_week(uses),
    }
    if name not in ("archive", UNDETERMINED):
        files[f"{folder}/by_asset.tsv"] = table("asset_path", by_asset(uses))
    return files


def published_totals(exact: Mapping[str, int], rounded: Callable[[int], Any]) -> dict[str, Any]:
    """Totals as the page reads them: request, download and requester counts are rounded."""
    private = re.compile("(total_)?number_of_(requests|downloads|requesters)")

    def shown(name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return published_totals(value, rounded)
        return rounded(value) if private.fullmatch(name) else value

    return {name: shown(name, value) for name, value in exact.items()}


# --- All of it ----------------------------------------------------------------------------------


def expected_reduced(config: Mapping) -> dict[Day, tuple[dict[str, int], list[Request]]]:
    """Lines per class and kept requests of each day whose year is not excluded."""
    exclude = config.get("exclude") or {}
    excluded = [ipaddress.ip_network(str(ip), strict=False) for ip in exclude.get("ips") or []]
    years = {str(year) for year in exclude.get("years") or []}
    operation = config.get("operation", "REST.GET.OBJECT")
    return {
        day: reduce_day(read_day(path), operation=operation, excluded=excluded)
        for day, path in days(Path(config["raw_logs"]))
        if day[0] not in years
    }


def accounting(config: Mapping) -> dict[Day, dict[str, int]]:
    """`lines` and one number per class, of each day."""
    return {day: counts for day, (counts, _) in expected_reduced(config).items()}


def make_uses(
    requests: Iterable[Request], assets: Sequence[Asset], locate: Callable[[str], str]
) -> list[Use]:
    """Each request, once, with its region, the Dandiset that it belongs to and its path there."""
    owner_of = owners(assets)
    path_of = newest_paths(assets)
    uses = []
    for request in requests:
        content = content_of_object(request.object_key)
        dandiset = owner_of.get(content, UNDETERMINED)
        path = path_of.get((dandiset, content), "")
        uses.append(Use(request, locate(request.ip_address), content, dandiset, path))
    return uses


def is_selected(dandiset: str, config: Mapping) -> bool:
    """Whether this run makes the folder of a Dandiset; `undetermined` always has one."""
    without = (config.get("exclude") or {}).get("dandisets") or []
    only = config.get("restrict_to_dandisets") or []
    if without and only:
        raise ValueError("exclude.dandisets and restrict_to_dandisets exclude each other")
    if dandiset == UNDETERMINED:
        return True
    return dandiset in only if only else dandiset not in without


def read_assets(config: Mapping) -> list[Asset]:
    """The assets that the configuration's snapshot lists."""
    dandi = config["dandi"]
    if dandi.get("source", "snapshot") != "snapshot":
        raise ValueError("the oracle reads Dandisets from a snapshot only")
    return read_snapshot(Path(dandi["snapshot"]))


def expected(
    config: Mapping,
    cloud_countries: Mapping[str, str] | None = None,
    ipinfo: Mapping[str, Mapping] | None = None,
) -> Files:
    """Relative path -> bytes of every file of `mapped/` and `published/` after one first run.

    Left out are `published/region_codes_to_coordinates.yaml` and `published/provenance.json`.

    config: as `config/config.yaml`, with paths that are absolute or relative to the current
    folder. cloud_countries: the ISO code of the country of each cloud region, `AWS/eu-west-1` ->
    `IE`. ipinfo: with `regions.provider: ipinfo`, its answer to each address that it answers.
    Raises ValueError where the configuration contradicts itself, or asks what the oracle cannot.
    """
    clouds = cloud_countries or {}
    assets = read_assets(config)
    requests = [request for _, kept in expected_reduced(config).values() for request in kept]
    uses = make_uses(requests, assets, locator(config.get("regions") or {}, ipinfo or {}))

    owned: dict[str, list[Use]] = defaultdict(list)
    for use in uses:
        owned[use.dandiset].append(use)
    exact = totals_of_each(uses, owned, assets, clouds)

    files = mapped_files(config, uses, owned, assets)
    files["mapped/all_dandiset_totals.json"] = json_file(exact)
    of_archive = totals(uses, clouds)
    files["mapped/archive_totals.json"] = json_file(of_archive)
    return files | published_files(config, uses, owned, exact, of_archive)


def mapped_files(
    config: Mapping, uses: Sequence[Use], owned: Mapping[str, list[Use]], assets: Sequence[Asset]
) -> Files:
    """The tables of `mapped/`: exact figures of the archive and of the selected Dandisets."""
    logs = (config.get("mapping") or {}).get("asset_logs", True)
    selected = [asset for asset in assets if is_selected(asset.dandiset, config)]
    files = version_files(uses, selected, logs=logs)
    for dandiset, of_it in owned.items():
        if is_selected(dandiset, config):
            files |= dandiset_files(dandiset, of_it)
    return files | summaries("mapped/archive_summary_by_", uses, ("day", "region"))


def published_files(
    config: Mapping,
    uses: Sequence[Use],
    owned: Mapping[str, list[Use]],
    exact: Mapping[str, Mapping],
    of_archive: Mapping,
) -> Files:
    """The tables of `published/`, for the archive and for what has a folder in `mapped/`."""
    privacy = config.get("privacy") or {}
    minimum, round_to = privacy.get("minimum", 50), privacy.get("round_to", 20)

    def rounded(count: int) -> int | str:
        return round_count(count, minimum=minimum, round_to=round_to)

    shown = {dandiset: of_it for dandiset, of_it in owned.items() if is_selected(dandiset, config)}
    of_each = {name: published_totals(exact[name], rounded) for name in shown}
    files = {
        "published/totals.json": json_file(of_each),
        "published/archive_totals.json": json_file(published_totals(of_archive, rounded)),
    }
    for name, of_it in {**shown, "archive": uses}.items():
        if of_it:
            files |= published_summaries(name, of_it, rounded)
    return files
