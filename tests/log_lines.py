"""Lines of an S3 server access log: ordinary requests, and the hostile shapes of real logs.

A `Request` is a line before it is one: every field as text, exactly as it will be logged, quotes
included. `render_line` makes it a line. `ORDINARY_KINDS` turn the successful GET of an object into
what else S3 serves all day; `HOSTILE_SHAPES` turn it into lines that break parsers.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Literal, NamedTuple

OWNER = "8787a3c41bf7ce0d54359d9348ad5b08e16bd5bb8ae5aa4e1508b435773a066e"
BUCKET = "dandiarchive"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

AGENTS = (
    '"-"',
    '"git-annex/10.20220927-geb4a544"',
    '"git-annex/8.20211028-g1c76278"',
    '"dandi/0.39.6 requests/2.27.1 CPython/3.9.12"',
    '"python-requests/2.27.1"',
    '"Python/3.9 aiohttp/3.8.1"',
    '"aiobotocore/2.3.0 Python/3.9.12 Linux/5.4.0 botocore/1.24.21"',
    '"Boto3/1.21.21 Python/3.8.10 Linux/5.13.0 Botocore/1.24.21"',
    '"MATLAB 9.12.0.1884302 (R2022a)"',
    '"curl/7.79.1"',
    '"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122.0.0.0 '
    'Safari/537.36"',
    '"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) '
    'Version/15.4 Safari/605.1.15"',
)
REFERERS = ('"-"',) * 3 + (
    '"https://dandiarchive.org/"',
    '"https://neuroglancer-demo.appspot.com/"',
)


@dataclass(frozen=True)
class Content:
    """What an asset holds: a blob, or a Zarr store of many chunks."""

    kind: Literal["blob", "zarr"]
    id: str
    size: int

    @property
    def object_key(self) -> str:
        """The key below which S3 keeps it."""
        if self.kind == "zarr":
            return f"zarr/{self.id}"
        return f"blobs/{self.id[0:3]}/{self.id[3:6]}/{self.id}"


@dataclass(frozen=True)
class Request:
    """The fields of a line, in S3's words; a byte that is not UTF-8 stands as a surrogate escape.

    `time` is naive or aware, its wall clock is what is logged. `fields` cuts the line after so
    many fields (S3 wrote 17 in 2009 and 27 today), or adds `-` beyond the 27 known ones.
    """

    time: datetime
    ip: str
    key: str
    uri: str
    status: str = "200"
    error: str = "-"
    bytes_sent: str = "-"
    object_size: str = "-"
    total_ms: str = "35"
    turn_around_ms: str = "34"
    requester: str = "-"
    request_id: str = "J42N2W7ET0EC03CV"
    operation: str = "REST.GET.OBJECT"
    referer: str = '"-"'
    agent: str = '"-"'
    version_id: str = "-"
    host_id: str = "-"
    signature: str = "-"
    auth: str = "-"
    zone: str = "+0000"
    fields: int = 27


def log_time(time: datetime, zone: str = "+0000") -> str:
    """`[06/Apr/2022:03:05:53 +0000]`, the same in every locale."""
    return f"[{time:%d}/{MONTHS[time.month - 1]}/{time:%Y:%H:%M:%S} {zone}]"


def render_line(request: Request) -> bytes:
    r"""A request as S3 logs it, without the `\n`."""
    r = request
    fields = (
        f"{OWNER} {BUCKET} {log_time(r.time, r.zone)} {r.ip} {r.requester} {r.request_id} "
        f"{r.operation} {r.key} {r.uri} {r.status} {r.error} {r.bytes_sent} {r.object_size} "
        f"{r.total_ms} {r.turn_around_ms} {r.referer} {r.agent}"
    )
    later = (
        r.version_id,
        r.host_id,
        r.signature,
        "ECDHE-RSA-AES128-GCM-SHA256",
        r.auth,
        "dandiarchive.s3.amazonaws.com",
        "TLSv1.2",
        "-",
        "-",
        "us-east-2",
    )
    beyond = ("-",) * (r.fields - 27)
    line = " ".join((fields, *later[: r.fields - 17], *beyond))
    return line.encode("utf-8", errors="surrogateescape")


# --- Ordinary requests --------------------------------------------------------------------------


def request_id(rng: Random) -> str:
    """Sixteen capitals and digits."""
    return base64.b32encode(rng.randbytes(10)).decode()


def host_id(rng: Random) -> str:
    """S3's extended request id."""
    return base64.b64encode(rng.randbytes(56)).decode()


def version_id(rng: Random) -> str:
    """The id of a version of an object in a versioned bucket."""
    return base64.b64encode(rng.randbytes(24), altchars=b"._").decode()


def hexadecimal(rng: Random, digits: int) -> str:
    """A signature or another digest."""
    return f"{rng.getrandbits(4 * digits):0{digits}x}"


def chunk_of(rng: Random, store: Content) -> str:
    """The key of a chunk of a Zarr store, now and then of its metadata."""
    if rng.random() < 0.05:
        return f"{store.object_key}/{rng.choice(('.zattrs', '.zgroup', '0/.zarray'))}"
    numbers = rng.choices(range(40), k=rng.choice((3, 5)))
    return "/".join((store.object_key, "0", *map(str, numbers)))


def successful_get(rng: Random, time: datetime, ip: str, content: Content) -> Request:
    """The GET of a whole blob or chunk: what all other kinds and shapes are made from."""
    is_chunk = content.kind == "zarr"
    key = chunk_of(rng, content) if is_chunk else content.object_key
    size = str(rng.randrange(100, 400_000) if is_chunk else content.size)
    milliseconds = rng.randrange(8, 400)
    of_version = version_id(rng) if rng.random() < 0.3 else "-"
    query = "" if of_version == "-" else f"?versionId={of_version}"
    return Request(
        time=time,
        ip=ip,
        key=key,
        uri=f'"GET /{key}{query} HTTP/1.1"',
        bytes_sent=size,
        object_size=size,
        total_ms=str(milliseconds),
        turn_around_ms=str(milliseconds - rng.randrange(0, 8)),
        request_id=request_id(rng),
        referer=rng.choice(REFERERS),
        agent=rng.choice(AGENTS),
        version_id=of_version,
        host_id=host_id(rng),
        fields=rng.choices((24, 25, 26, 27), cum_weights=(5, 15, 30, 100))[0],
    )


def part(rng: Random, request: Request) -> Request:
    """A range of an object."""
    sent = rng.randrange(1, min(int(request.object_size), 5_000_000) + 1)
    return replace(request, status="206", bytes_sent=str(sent))


def not_modified(_: Random, request: Request) -> Request:
    """The client has it already."""
    return replace(request, status="304", bytes_sent="-", turn_around_ms="-")


def failed(status: str, error: str) -> Callable[[Random, Request], Request]:
    """A kind of request that S3 answers with an XML document about an error."""

    def fail(rng: Random, request: Request) -> Request:
        sent = str(rng.randrange(230, 330))
        return replace(
            request,
            status=status,
            error=error,
            bytes_sent=sent,
            object_size="-",
            turn_around_ms="-",
        )

    return fail


def presigned_query(rng: Random, time: datetime, token_length: int) -> str:
    """The query of a presigned URL; with a session token it may be some kB long."""
    token = base64.b64encode(rng.randbytes(token_length)).decode().replace("/", "%2F")
    return (
        "response-content-disposition=attachment%3B%20filename%3D%22sub-01.nwb%22"
        "&X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential=ASIAIOSFODNN7EXAMPLE%2F{time:%Y%m%d}%2Fus-east-2%2Fs3%2Faws4_request"
        f"&X-Amz-Date={time:%Y%m%dT%H%M%SZ}&X-Amz-Expires=3600&X-Amz-SignedHeaders=host"
        f"&X-Amz-Security-Token={token}&X-Amz-Signature={hexadecimal(rng, 64)}"
    )


def presigned(rng: Random, request: Request) -> Request:
    """A download by a presigned URL, 1 to 2 kB of it."""
    query = presigned_query(rng, request.time, rng.randrange(450, 1100))
    uri = f'"GET /{request.key}?{query} HTTP/1.1"'
    requester = "arn:aws:sts::123456789012:assumed-role/dandi-api/web"
    return replace(request, uri=uri, requester=requester, signature="SigV4", auth="QueryString")


def other_prefix(rng: Random, request: Request) -> Request:
    """The GET of something that is neither blob nor chunk."""
    key = rng.choice(
        (
            "dandisets/000003/draft/assets.jsonld",
            "dandisets/000026/draft/dandiset.yaml",
            "zarr-checksums/manifest.json",
            "ros3test.nwb",
            "robots.txt",
        )
    )
    return replace(request, key=key, uri=f'"GET /{key} HTTP/1.1"')


def other_operation(operation: str, method: str) -> Callable[[Random, Request], Request]:
    """A kind of request for an object that is no GET."""

    def operate(_: Random, request: Request) -> Request:
        uri = f'"{method} /{request.key} HTTP/1.1"'
        return replace(request, operation=operation, uri=uri, bytes_sent="-")

    return operate


def list_bucket(_: Random, request: Request) -> Request:
    """A listing, which names no key."""
    prefix = request.key.replace("/", "%2F")
    uri = f'"GET /?list-type=2&prefix={prefix}&encoding-type=url HTTP/1.1"'
    return replace(request, operation="REST.GET.BUCKET", key="-", uri=uri, object_size="-")


def whole(_: Random, request: Request) -> Request:
    """The successful GET itself."""
    return request


ORDINARY_KINDS: dict[Callable[[Random, Request], Request], float] = {
    whole: 66,
    part: 14,
    not_modified: 4,
    presigned: 2,
    failed("403", "AccessDenied"): 1,
    failed("404", "NoSuchKey"): 2,
    failed("503", "SlowDown"): 0.5,
    other_prefix: 1,
    other_operation("REST.HEAD.OBJECT", "HEAD"): 5,
    other_operation("REST.PUT.OBJECT", "PUT"): 3,
    list_bucket: 1,
    other_operation("REST.DELETE.OBJECT", "DELETE"): 0.5,
}
"""Kind of ordinary request -> percentage of the day's lines."""

_KINDS = tuple(ORDINARY_KINDS)
_CUMULATED = tuple(accumulate(ORDINARY_KINDS.values()))


def ordinary_request(rng: Random, time: datetime, ip: str, content: Content) -> Request:
    """One of a day's requests for an object, of a kind as often as S3 sees it."""
    kind = rng.choices(_KINDS, cum_weights=_CUMULATED)[0]
    return kind(rng, successful_get(rng, time, ip, content))


def ordinary_line(rng: Random, time: datetime, ip: str, content: Content) -> bytes:
    r"""The line, without its `\n`, of any of a day's requests for an object."""
    return render_line(ordinary_request(rng, time, ip, content))


# --- Hostile shapes -----------------------------------------------------------------------------


class Shape(NamedTuple):
    r"""A way to log a successful GET that breaks parsers, and the class that its line is in.

    `expected` is None where it depends on the draw. Called with a source of randomness and the
    request, it returns a line without its `\n`.
    """

    expected: str | None
    render: Callable[[Random, Request], bytes]

    def __call__(self, rng: Random, request: Request) -> bytes:
        return self.render(rng, request)


def changed(**fields: str | int) -> Callable[[Random, Request], bytes]:
    """Render the request with other fields; `{key}` and `{id}` in them stand for the request's."""

    def fill(value: str | int, request: Request) -> str | int:
        if isinstance(value, int):
            return value
        return value.replace("{key}", request.key).replace("{id}", content_id(request.key))

    def render(_: Random, request: Request) -> bytes:
        filled = {name: fill(value, request) for name, value in fields.items()}
        return render_line(replace(request, **filled))

    return render


def content_id(key: str) -> str:
    """The UUID of a key."""
    kind, *parts = key.split("/")
    return parts[0] if kind == "zarr" else parts[-1]


def edited(edit: Callable[[Random, bytes], bytes]) -> Callable[[Random, Request], bytes]:
    """Render the request, then edit the bytes of its line."""
    return lambda rng, request: edit(rng, render_line(request))


def without_time(replacement: str) -> Callable[[Random, Request], bytes]:
    """Render the request with something else where its date stands."""

    def render(_: Random, request: Request) -> bytes:
        date = log_time(request.time)
        return render_line(request).replace(date.encode(), replacement.encode(), 1)

    return render


def at_local_time(_: Random, request: Request) -> bytes:
    """Logged at two hours east of Greenwich, at the same instant."""
    return render_line(replace(request, time=request.time + timedelta(hours=2), zone="+0200"))


def presigned_of_3_kb(rng: Random, request: Request) -> bytes:
    """A presigned URL with a session token of 2 kB."""
    uri = f'"GET /{request.key}?{presigned_query(rng, request.time, 1700)} HTTP/1.1"'
    return render_line(replace(request, uri=uri))


def cut_after(last: bytes) -> Callable[[Random, Request], bytes]:
    """A line that ends with the first occurrence of some bytes."""

    def cut(_: Random, line: bytes) -> bytes:
        return line[: line.index(last) + len(last)]

    return edited(cut)


def cut_after_key(_: Random, request: Request) -> bytes:
    """A line that ends with its key."""
    line = render_line(request)
    return line[: line.index(b' "')]


def cut_anywhere(rng: Random, line: bytes) -> bytes:
    """A line that ends after any of its bytes."""
    return line[: rng.randrange(1, len(line))]


def cut_at_its_start(rng: Random, line: bytes) -> bytes:
    """The rest of a line whose start went elsewhere: it has no time."""
    return line[line.index(b"]") + rng.randrange(1, 40) :]


def glued(rng: Random, line: bytes) -> bytes:
    """A cut off line with a whole one behind it, and no line end between."""
    return cut_anywhere(rng, line) + line


PHP = (
    '"GET //?s=index/\\think\\template\\driver\\file/write&cacheFile=robots.php&content='
    'xbshell1<?php$password%20=%20"xinba";$ch%20=%20explode(".","hello.ass.world.er.t");'
    'array_intersect_ukey(array($_REQUEST[$password]%20=>%201),%20array(1));?> HTTP/1.1"'
)
NOT_FOUND = {
    "status": "404",
    "error": "NoSuchKey",
    "bytes_sent": "272",
    "object_size": "-",
    "total_ms": "9",
    "turn_around_ms": "-",
}
DENIED = {**NOT_FOUND, "status": "403", "error": "AccessDenied", "bytes_sent": "243"}
BUCKET_OPERATION = {
    "operation": "REST.GET.BUCKET",
    "key": "-",
    "uri": '"GET /?list-type=2&prefix={key} HTTP/1.1"',
    "object_size": "-",
}
LIFECYCLE = {
    "ip": "-",
    "requester": "AmazonS3",
    "operation": "S3.EXPIRE.OBJECT",
    "uri": '"-"',
    "status": "-",
    "bytes_sent": "-",
    "object_size": "1865",
    "total_ms": "-",
    "turn_around_ms": "-",
    "referer": '"-"',
    "agent": '"-"',
}
UNQUOTED = {"uri": "-", "referer": "-", "agent": "-"}

HOSTILE_SHAPES: dict[str, Shape] = {
    # Bytes and other numbers that are `-`, or none.
    "bytes_dash_304": Shape(
        "unsuccessful", changed(status="304", bytes_sent="-", turn_around_ms="-")
    ),
    "bytes_dash_206": Shape(
        "kept", changed(status="206", bytes_sent="-", object_size="199693197", total_ms="45147")
    ),
    "bytes_overflow": Shape("malformed", changed(bytes_sent="99999999999999999999")),
    "bytes_word": Shape("malformed", changed(bytes_sent="12kB")),
    "client_gone": Shape("kept", changed(bytes_sent="17", object_size="250340")),
    "status_dash": Shape("unsuccessful", changed(status="-", bytes_sent="-")),
    "status_word": Shape("malformed", changed(status="OK")),
    # Operations that are other ones.
    "bucket_operation": Shape("other_operation", changed(**BUCKET_OPERATION)),
    "lifecycle": Shape("other_operation", changed(**LIFECYCLE)),
    "batch_unquoted": Shape(
        "other_operation",
        changed(operation="BATCH.DELETE.OBJECT", status="204", bytes_sent="-", **UNQUOTED),
    ),
    "operation_of_website": Shape("other_operation", changed(operation="WEBSITE.GET.OBJECT")),
    "operation_of_two_parts": Shape("other_operation", changed(operation="SOAP.CreateBucket")),
    "operation_of_four_parts": Shape(
        "other_operation", changed(operation="S3.COMPUTE.OBJECT.CHECKSUM")
    ),
    "operation_with_underscore": Shape(
        "other_operation", changed(operation="REST.POST.MULTI_OBJECT_DELETE", key="-")
    ),
    "operation_dash": Shape("malformed", changed(operation="-")),
    # Addresses and requesters.
    "ip_dash": Shape("kept", changed(ip="-", requester="svc:cloudfront.amazonaws.com")),
    "ip_private": Shape("kept", changed(ip="10.0.0.7")),
    "ip_of_version_6": Shape("kept", changed(ip="2001:db8::1")),
    "ip_of_text": Shape("kept", changed(ip="localhost")),
    "requester_with_spaces": Shape(
        "kept",
        changed(
            requester="arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E2EXAMPLEID"
        ),
    ),
    "requester_with_quote": Shape("malformed", changed(requester='svc:"x')),
    # Request-URIs.
    "uri_unquoted": Shape("kept", changed(**UNQUOTED)),
    "uri_dash": Shape("kept", changed(uri='"-"')),
    "uri_without_protocol": Shape("kept", changed(uri='"GET /{key}"')),
    "uri_of_http_1_0": Shape("kept", changed(uri='"GET /{key} HTTP/1.0"')),
    "uri_of_http_2": Shape("kept", changed(uri='"GET /{key} HTTP/2"')),
    "uri_with_spaces": Shape("kept", changed(uri='"GET /{key}?q=a b c HTTP/1.1"')),
    "uri_presigned": Shape("kept", presigned_of_3_kb),
    "uri_presigned_with_quotes": Shape(
        "kept",
        changed(
            uri='"GET /{key}?response-content-disposition=attachment;%20filename="x.json"'
            '&X-Amz-Signature=0123456789abcdef HTTP/1.1"'
        ),
    ),
    "uri_of_php": Shape("other_key", changed(key="/", uri=PHP, **NOT_FOUND)),
    "uri_of_php_for_object": Shape("unsuccessful", changed(uri=PHP, **NOT_FOUND)),
    "uri_with_quote_before_protocol": Shape(
        "unsuccessful", changed(uri='"GET /{key}" HTTP/1.1"', **DENIED)
    ),
    "uri_not_utf8": Shape("kept", changed(uri='"GET /{key}?\udcc3\x7f\ufffd HTTP/1.1"')),
    "uri_with_controls": Shape("kept", changed(uri='"GET /{key}?\x01\t\x1b[31m HTTP/1.1"')),
    # Text that looks like the part after the request-URI, or like a whole line.
    "uri_forges_tail": Shape(
        "unsuccessful", changed(uri='"GET /{key}" 200 - 5 5 5 5 "x HTTP/1.1"', **DENIED)
    ),
    "uri_forges_tail_and_protocol": Shape(
        "malformed", changed(uri='"GET /{key} HTTP/1.1" 200 - 5 5 5 5 "x HTTP/1.1"', **DENIED)
    ),
    "uri_forges_tail_without_protocol": Shape(
        "malformed", changed(uri='"GET /{key}" 200 - 5 5 5 5 "x"', **DENIED)
    ),
    "uri_forges_tail_up_to_quote": Shape(
        None, changed(uri='"GET /{key} HTTP/1.1" 200 - 5 5 5 5 "', **DENIED)
    ),
    "agent_forges_tail": Shape("kept", changed(agent='"x" 200 - 5 5 5 5 "y"')),
    "agent_forges_tail_and_protocol": Shape(
        "malformed", changed(agent='"GET /x HTTP/1.1" 200 - 5 5 5 5 "y"')
    ),
    "agent_forges_line": Shape(
        "malformed",
        changed(operation="-", agent='"x - A1 REST.GET.OBJECT {key} "GET /{key} HTTP/1.1""'),
    ),
    # User agents.
    "agent_in_two_quotes": Shape("kept", changed(agent='""Mozilla/5.0 (X11; Linux)"')),
    "agent_ends_in_two_quotes": Shape("kept", changed(agent='"Safari/604.1""')),
    "agent_of_shell": Shape("kept", changed(agent='"() { :;}; echo "x""')),
    "agent_with_line_ends": Shape(
        "kept", changed(agent='"a\rb\x0bc\x0cd\x1ce\x85f\u2028g\u2029h"')
    ),
    "agent_with_nul": Shape("kept", changed(agent='"a\x00b"')),
    # Keys.
    "key_encoded_twice": Shape("kept", changed(key="zarr/{id}/a%252Bb%253Dc%2522d")),
    "key_misplaced": Shape("kept", changed(key="blobs/000/000/{id}")),
    "key_not_utf8": Shape("kept", changed(key="blobs/000/000/\udcc3{id}")),
    "key_dash": Shape("other_key", changed(key="-")),
    "key_slash": Shape("other_key", changed(key="/")),
    "key_dot": Shape("other_key", changed(key=".")),
    "key_star": Shape("other_key", changed(key="*")),
    "key_with_slash_at_end": Shape("other_key", changed(key="{key}/")),
    "key_of_no_store": Shape("other_key", changed(key="zarr//0")),
    "key_of_similar_prefix": Shape("other_key", changed(key="blobs2/000/000/{id}")),
    # Times.
    "time_in_other_zone": Shape("kept", at_local_time),
    "time_of_no_day": Shape("malformed", without_time("[32/Jan/2022:00:00:00 +0000]")),
    "time_of_no_leap_year": Shape("malformed", without_time("[29/Feb/2021:00:00:00 +0000]")),
    "time_of_leap_second": Shape("malformed", without_time("[31/Dec/2016:23:59:60 +0000]")),
    "time_dash": Shape("malformed", without_time("-")),
    # Number of fields.
    "fields_17": Shape("kept", changed(fields=17)),
    "fields_18": Shape("kept", changed(fields=18)),
    "fields_30": Shape("kept", changed(fields=30)),
    # Lines.
    "cut_after_operation": Shape("malformed", cut_after(b" REST.GET.OBJECT")),
    "cut_after_key": Shape("malformed", cut_after_key),
    "cut_after_protocol": Shape("malformed", cut_after(b' HTTP/1.1"')),
    "cut_anywhere": Shape(None, edited(cut_anywhere)),
    "cut_at_its_start": Shape("malformed", edited(cut_at_its_start)),
    "glued": Shape(None, edited(glued)),
    "carriage_return": Shape("kept", edited(lambda _, line: line + b"\r")),
    "empty": Shape("empty", edited(lambda _, line: b"")),
    "empty_but_carriage_return": Shape("empty", edited(lambda _, line: b"\r")),
    "nul_before": Shape("kept", edited(lambda _, line: b"\0\0\0" + line)),
    "nul_only": Shape("malformed", edited(lambda _, line: b"\0" * 64)),
    "spaces_only": Shape("malformed", edited(lambda _, line: b" " * 30)),
    "no_log_line": Shape("malformed", edited(lambda _, line: b"tail: file truncated")),
}
"""Name -> shape, each to be applied to a successful GET of a blob or a chunk."""


def hostile_line(rng: Random, time: datetime, ip: str, content: Content) -> bytes:
    r"""A line, without its `\n`, of any of the hostile shapes."""
    shape = HOSTILE_SHAPES[rng.choice(tuple(HOSTILE_SHAPES))]
    return shape(rng, successful_get(rng, time, ip, content))
