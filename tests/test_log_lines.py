"""The grammar of log lines: the fast reading, the exact one and the oracle agree on every line."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from random import Random

import _clean_lines
import _compiling
import _log_lines
import oracle
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from log_lines import (
    BUCKET,
    HOSTILE_SHAPES,
    OWNER,
    PHP,
    Content,
    Request,
    ordinary_line,
    render_line,
    successful_get,
)

BLOB = Content("blob", "1234abcd-1111-4111-8111-111111111111", 5_000)
STORE = Content("zarr", "5678abcd-1111-4111-8111-111111111111", 5_000_000)
TIME = dt.datetime(2022, 5, 1, 5, 6, 35)
RULES = _log_lines.Rules()
EXCLUDED = ["203.0.113.0/24", "2001:db8:bad::/48"]
EXCLUDING = _log_lines.Rules(excluded=_log_lines.Excluded(EXCLUDED))

Reading = tuple[str, tuple | None]
"""The class of a line, and the values of a kept one."""


# --- Three readings ------------------------------------------------------------------------------


def readings(classes: pl.Series, kept: pl.DataFrame) -> list[Reading]:
    """The class of each line, and the values of those kept, in order."""
    assert dict(kept.schema) == _log_lines.READ
    assert kept["row"].to_list() == (classes == "kept").arg_true().to_list()
    assert (kept["class"] == "kept").all()
    values = ("ip_address", "object_key", "bytes_sent", "status")
    times = pl.col("timestamp").dt.epoch("ms")
    rows = kept.select(times, *values).iter_rows()
    return [(name, next(rows) if name == "kept" else None) for name in classes]


def of_workflow(content: bytes, rules: _log_lines.Rules = RULES) -> list[Reading]:
    """What the workflow reads: the clean lines fast, the others exactly."""
    [(classes, kept, malformed)] = _log_lines.read([content], rules)
    found = [(row, line) for row, line in enumerate(lines_of(content))]
    assert malformed == [found[row] for row in (classes == "malformed").arg_true()]
    return readings(classes, kept)


def of_exact_reading(lines: Sequence[bytes]) -> list[Reading]:
    """What the exact reading makes of all lines, the clean ones too."""
    texts = [line.decode("utf-8", "replace") for line in lines]
    frame = pl.LazyFrame({"line": texts}, schema={"line": pl.String}).with_row_index("row")
    read = _log_lines.read_exact(frame, RULES).collect()
    return readings(read["class"], read.filter(pl.col("class") == "kept"))


def of_oracle(lines: Iterable[bytes], excluded: Sequence[str] = ()) -> list[Reading]:
    networks = [oracle.parse_network(block) for block in excluded]
    classified = (
        oracle.classify(line, operation=RULES.operation, excluded=networks) for line in lines
    )
    return [(name, request and with_epoch(request)) for name, request in classified]


def with_epoch(request: oracle.Request) -> tuple:
    """The values of a request, its time in milliseconds since 1970."""
    time, *values = request
    return (time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1), *values


def lines_of(content: bytes) -> list[bytes]:
    *lines, last = content.split(b"\n")
    return [*lines, last] if last else lines


def assert_agreement(content: bytes) -> None:
    lines = lines_of(content)
    ways = (of_workflow(content), of_exact_reading(lines), of_oracle(lines))
    assert [len(way) for way in ways] == [len(lines)] * 3
    differing = [
        {"line": line, "workflow": fast, "exact": exact, "oracle": right}
        for line, fast, exact, right in zip(lines, *ways, strict=True)
        if not fast == exact == right
    ][:3]
    assert differing == []


# --- Lines to read -------------------------------------------------------------------------------


def clean_line(content: Content = STORE, **fields: str | int) -> bytes:
    """A line that nothing is odd about, but for the fields that are given."""
    key = "zarr/" + content.id + "/0/1/2" if content.kind == "zarr" else content.object_key
    ordinary = {
        "ip": "192.0.2.1",
        "key": key,
        "uri": f'"GET /{fields.get("key", key)} HTTP/1.1"',
        "bytes_sent": "1443",
        "object_size": "1443",
        "referer": '"https://dandiarchive.org/"',
        "agent": '"python-requests/2.27.1"',
        "host_id": "VGVzdA==",
    }
    return render_line(Request(time=TIME, **(ordinary | fields)))


def line_of_shape(name: str | None, seed: int) -> bytes:
    """A line of a hostile shape, or an ordinary one of any kind, that depends on the seed alone."""
    rng = Random(seed)
    content = rng.choice((BLOB, STORE))
    ip = rng.choice(("192.0.2.1", "203.0.113.7", "2001:db8::1", "2001:DB8:BAD:0::9", "10.0.0.7"))
    if name is None:
        return ordinary_line(rng, TIME, ip, content)
    return HOSTILE_SHAPES[name](rng, successful_get(rng, TIME, ip, content))


FRAGMENTS = [
    *(b'"', b'""', b'" "', b" ", b"  ", b"-", b" - ", b"/", b".", b"5", b"0", b"+", b"#", b","),
    *(b"\r", b"\0", b"\t", b"\x0b", b"\x0c", b"\x1c", b"\x7f", b"\xc2\x85", b"\xe2\x80\xa8"),
    *(
        b"\xc2\xa0",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xd9\xa3",
        b"\xf0\x9f",
    ),
    *(b"[", b"]", b"REST.", b"S3.", b" REST.GET.OBJECT ", b" REST.HEAD.OBJECT ", b"blobs/x"),
    *(b"zarr/", b"HTTP/", b' HTTP/1.1"', b' HTTP/1.0"', b' HTTP/2"', b' HTTP/1.1" 200 - 5 5 5 5 "'),
    *(b'" 200 - 5 5 5 5 "x', b'" 206 - - 5 5 5 "', b'" 200 - 5 5 - "', b"- 200 - 5 5 5 5 -"),
    *(b'" - - - - - - "', b"99999999999999999999", b"9223372036854775807", b"\\", b"'", b"$1"),
    *(b"/Mai/", b"/may/", b" 1/May", b"+2022", b":60", b"24:", b"+0060", b"+2400", b"-0130"),
]


def with_edit(line: bytes, kind: str, at: int, fragment: bytes) -> bytes:
    at %= len(line) + 1
    if kind == "insert":
        return line[:at] + fragment + line[at:]
    if kind == "replace":
        return line[:at] + fragment + line[at + len(fragment) :]
    if kind == "remove":
        return line[:at] + line[at + len(fragment) :]
    if kind == "cut":
        return line[:at]
    return line[at:]


EDITS = st.tuples(
    st.sampled_from(["insert", "insert", "replace", "replace", "remove", "cut", "drop"]),
    st.integers(0, 3_000) | st.integers(0, 450),
    st.sampled_from(FRAGMENTS) | st.integers(0, 255).map(lambda b: bytes([b]).replace(b"\n", b"")),
)


@st.composite
def edited_lines(draw: Callable) -> bytes:
    """A line of any shape, with up to three edits at any byte."""
    name = draw(st.sampled_from([None, None, *HOSTILE_SHAPES]))
    line = line_of_shape(name, draw(st.integers(0, 10_000)))
    for edit in draw(st.lists(EDITS, max_size=3)):
        line = with_edit(line, *edit)
    return line


ODD_TIMES = [
    *("01/May/2022:05:06:60 +0000", "01/May/2022:24:06:35 +0000", "01/May/2022:05:60:35 +0000"),
    *(" 1/May/2022:05:06:35 +0000", "1/May/2022:05:06:35 +0000", "01/may/2022:05:06:35 +0000"),
    *("01/MAY/2022:05:06:35 +0000", "01/Mai/2022:05:06:35 +0000", "01/June/2022:05:06:35 +0000"),
    *("01/05/2022:05:06:35 +0000", "32/Jan/2022:05:06:35 +0000", "00/Jan/2022:05:06:35 +0000"),
    *("29/Feb/2021:05:06:35 +0000", "29/Feb/2024:05:06:35 +0000", "31/Apr/2022:05:06:35 +0000"),
    *("01/May/+2022:05:06:35 +0000", "01/May/ 2022:05:06:35 +0000", "01/May/+022:05:06:35 +0000"),
    *("01/May/22:05:06:35 +0000", "01/May/02022:05:06:35 +0000", "01/May/0000:05:06:35 +0000"),
    *("01/May/0001:05:06:35 +0000", "31/Dec/9999:23:59:59 +0000", "31/Dec/9999:23:59:59 -0100"),
    *("01/Jan/0001:00:00:00 +0100", "01/May/1969:05:06:35 +0000", "01/May/2022:05:06:35 +0530"),
    *("01/May/2022:05:06:35 -1200", "01/May/2022:05:06:35 -0000", "01/May/2022:05:06:35 +2359"),
    *("01/May/2022:05:06:35 +2400", "01/May/2022:05:06:35 +0060", "01/May/2022:05:06:35 +9999"),
    *("01/May/2022:05:06:35 +00:00", "01/May/2022:05:06:35 Z", "01/May/2022:05:06:35 UTC"),
    *("01/May/2022:05:06:35 0000", "01/May/2022:05:06:35  +0000", "01/May/2022:05:06:35\t+0000"),
    *("01/May/2022:05:06:35", "01/May/2022: 5:06:35 +0000", "01/May/2022:+5:06:35 +0000"),
    *(
        "01/May/2022:05:06:35.5 +0000",
        "01/May/2022 05:06:35 +0000",
        "\u0660\u0661/May/2022:05:06:35 +0000",
    ),
    *("-", "", "01/May/2022:05:06:35 +0000x", "x01/May/2022:05:06:35 +0000"),
]
ODD_REQUESTERS = [
    "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E2EXAMPLEID",
    *("svc:cloudfront.amazonaws.com", "a  b", " a", "a ", "", 'a"b', 'svc:"x', '"', "é", "\xa0"),
    *("REST.GET.OBJECT", "REST.GET.OBJECT REST.GET.OBJECT", "- REST.HEAD.OBJECT", "a\tb", "- - -"),
    *("x REST.GET.OBJECT blobs/y", "-  REST.GET.OBJECT"),
]
OPERATIONS = [
    *("REST.HEAD.OBJECT", "REST.GET.BUCKET", "S3.EXPIRE.OBJECT", "BATCH.DELETE.OBJECT", "SOAP.X"),
    *("S3.COMPUTE.OBJECT.CHECKSUM", "REST.POST.MULTI_OBJECT_DELETE", "WEBSITE.GET.OBJECT", "REST."),
    *(
        "REST",
        "REST.GET.OBJECTS",
        "REST.GET.OBJECT.",
        "rest.get.object",
        "-",
        "",
        "REST..",
        "REST.é",
    ),
    *(
        "XREST.GET.OBJECT",
        "REST.GET.OBJECT\0",
        "REST.GET-OBJECT",
        "GRPC.GET.OBJECT",
        "S3.1",
        'S3.A"',
    ),
]
KEYS = [
    *(
        "blobs/123/4ab/1234abcd-1111-4111-8111-111111111111",
        "blobs/x",
        "blobs/",
        "blobs",
        "blobs//",
    ),
    *("zarr/x", "zarr/x/", "zarr/", "zarr", "zarr//0", "zarr/x//0", "zarr/é/0", "zarr/\ufffd/é/0"),
    *(
        "zarr/\U0001f600/0/1",
        "zarr/xé",
        "-",
        "/",
        ".",
        "*",
        "",
        " x",
        "\xa0",
        "blobs/a%252Bb",
        "x/",
    ),
    *(
        "zarr/a\r/b",
        "blobs/\0",
        'zarr/a"b/c',
        "Zarr/x",
        "/zarr/x",
        "blobs/\u2028",
        "REST.GET.OBJECT",
    ),
]
NUMBERS = [
    *("-", "0", "00017", "9223372036854775807", "9223372036854775808", "99999999999999999999"),
    *("", "+5", "-5", "5.0", "1e3", "\u0663", "--", "x", "0x5", "5\t", '"-"', "1 2"),
]
QUOTED_PIECES = [
    *("GET /", "k", "-", "?", "x", " ", '"', '""', '" "', ' "', '" ', "/", "\\", "\0", "\r", "é"),
    *(" HTTP/1.1", " HTTP/1.0", " HTTP/2", " HTTP/", "HTTP/1.1", ' HTTP/1.1"', ' HTTP/10.11"'),
    *(" 200 - 5 5 5 5 ", " 206 - - 5 5 5 ", " 404 NoSuchKey 5 - 5 - ", " - - - - - - ", " 200 "),
    *(
        '" 200 - 5 5 5 5 "',
        '" 200 - 5 5 - "',
        "- 200 - 5 5 5 5 -",
        " 200 - 5 5 5 5 -",
        "$1",
        "\ufffd",
    ),
]


ODD_QUOTED = [
    *(
        "-",
        "",
        '"',
        '""',
        '"-',
        '-"',
        '"GET /k"',
        '"GET /k" HTTP/1.1"',
        '"GET /k HTTP/2"',
        '"k\0\r"',
    ),
    *('"x HTTP/1.1"', '"xHTTP/1.0"', '"HTTP/1.1"', '"x HTTP/1.1', 'x HTTP/1.1"', '" HTTP/1.1" "'),
    *('"x" 404 - 5 5 5 5 "y"', '"x HTTP/1.1" 200 - 5 5 5 5 "y"', '"x HTTP/1.1" 200 - 5 5 5 5 -'),
    *(
        '"x - 404 HTTP/1.1"',
        '"x" 404 HTTP/1.1"',
        '"x- 404 HTTP/1.1"',
        '"x" "y"z"" HTTP/1.1" 200 - 5 5 5 5 "y"',
        "x - 200 - 5 5 5 5 - y",
        '"é"',
    ),
    *('"x HTTP/1.1" 200 - 5 5 5 5 "', '" 200 - 5 5 5 5 "', '"x" 404 - 5 5 5 5 -', '""Mozilla"'),
    *("x HTTP/1.1- 200 - 5 5 5 5 -", "x HTTP/1.1- 404 - 5 5 5 5 - HTTP/1.1"),
]
ODD_FIELDS: dict[str, Sequence[str]] = {
    "owner": ["-", "", "é", "\ufeff" + OWNER, "\0", f"{OWNER} x"],
    "bucket": ["-", "", "x"],
    "time": ODD_TIMES,
    "ip": ["-", "", "2001:db8::1", "203.0.113.9", "::ffff:203.0.113.9", "é", "x\0"],
    "requester": ODD_REQUESTERS,
    "request_id": ["-", "", "REST.GET.OBJECT", 'a"b', "a b"],
    "operation": OPERATIONS,
    "key": KEYS,
    "uri": ODD_QUOTED,
    "status": ["206", "404", "299", "304", "-", "20", "2000", "", "2\u06630", "OK", "000"],
    "error": ["NoSuchKey", "", "a b", '"', "é", "--", "ab5"],
    **dict.fromkeys(("bytes_sent", "object_size", "total_ms", "turn_around_ms"), NUMBERS),
    "referer": ODD_QUOTED,
    "agent": ODD_QUOTED,
    "later": ["", "- " * 23, '"', ' "-" ""', "- é", "\0", "\r", "\r\r", "\r ", " "],
}
"""What may stand in place of a field; `later` is all behind the agent."""


def built_line(**odd: str) -> bytes:
    """A line put together from its fields, any of which may be odd."""
    fields = {
        "owner": OWNER,
        "bucket": BUCKET,
        "time": "01/May/2022:05:06:35 +0000",
        "ip": "192.0.2.1",
        "requester": "-",
        "request_id": "J42N2W7ET0EC03CV",
        "operation": "REST.GET.OBJECT",
        "key": "zarr/5678abcd-1111-4111-8111-111111111111/0/1/2",
        "uri": '"GET /zarr/5678abcd-1111-4111-8111-111111111111/0/1/2 HTTP/1.1"',
        "status": "200",
        "error": "-",
        "bytes_sent": "1443",
        "object_size": "1443",
        "total_ms": "35",
        "turn_around_ms": "-",
        "referer": '"-"',
        "agent": '"agent/1.0"',
        "later": "- VGVzdA== -",
        **odd,
    }
    fields["time"] = f"[{fields['time']}]"
    return " ".join(fields.values()).encode()


QUOTED = st.builds(
    str.format,
    st.sampled_from(['"{}"', "{}", '"{}', '{}"', '"GET /k{} HTTP/1.1"', '"GET /k{}"']),
    st.lists(st.sampled_from(QUOTED_PIECES), max_size=6).map("".join),
)


@st.composite
def built_lines(draw: Callable) -> bytes:
    """A line put together from fields, up to four of them odd."""
    names = draw(st.lists(st.sampled_from(sorted(ODD_FIELDS)), max_size=4, unique=True))
    odd = {
        name: draw(QUOTED if ODD_FIELDS[name] is ODD_QUOTED else st.sampled_from(ODD_FIELDS[name]))
        for name in names
    }
    return built_line(**odd)


ODD_LINES = st.sampled_from(
    [b"", b"\r", b"\r\r", b" ", b"\0", b"\xef\xbb\xbf", b'"', b'""""""', b"\xff", b"-", b"\t\r"]
)


def blocks(lines: st.SearchStrategy[bytes], size: int) -> st.SearchStrategy[bytes]:
    """Some lines, with a byte order mark before them or no newline behind them now and then."""
    return st.builds(
        lambda mark, lines, end: mark + b"\n".join(lines) + end,
        st.sampled_from([b"", b"", b"", b"\xef\xbb\xbf", b"\n"]),
        st.lists(lines, min_size=1, max_size=size),
        st.sampled_from([b"\n", b"\n", b""]),
    )


# --- Agreement -----------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(blocks(edited_lines() | ODD_LINES, 60))
def test_readings_agree_on_lines_of_all_shapes_edited_anywhere(content: bytes):
    assert_agreement(content)


@settings(max_examples=200, deadline=None)
@given(blocks(built_lines(), 20))
def test_readings_agree_on_lines_of_odd_fields(content: bytes):
    assert_agreement(content)


@pytest.mark.parametrize("first", ODD_FIELDS)
def test_readings_agree_on_any_two_odd_fields(first: str):
    names = list(ODD_FIELDS)
    others = names[names.index(first) + 1 :]
    lines = [
        built_line(**{first: odd, second: other})
        for odd in ODD_FIELDS[first]
        for second in others
        for other in ODD_FIELDS[second]
    ]
    lines += [built_line(**{first: odd}) for odd in ODD_FIELDS[first]]
    assert_agreement(b"\n".join(lines) + b"\n")


@pytest.mark.parametrize("uri", ODD_QUOTED)
def test_readings_agree_on_odd_texts_between_quotes(uri: str):
    lines = [built_line()] + [
        built_line(uri=uri, referer=referer, agent=agent, total_ms=total, turn_around_ms="30")
        for referer in ODD_QUOTED
        for agent in ODD_QUOTED
        for total in ("35", "-")
    ]
    assert_agreement(b"\n".join(lines) + b"\n")


@settings(max_examples=150, deadline=None)
@given(blocks(st.binary(max_size=40) | edited_lines(), 8))
@example(b"")
@example(b"\n")
@example(b"\n\n\n")
@example(b"\r\n\r\n")
@example(b"\xef\xbb\xbf")
@example(b"\xef\xbb\xbf\n")
@example(b"\xef\xbb\xbf\xef\xbb\xbf\r")
@example(b"\xe2\x80\n\xa8\n")
@example(b"\n" + clean_line())
@example(b"\xef\xbb\xbf" + clean_line())
def test_readings_agree_on_bytes_of_any_kind(content: bytes):
    assert_agreement(content)


@pytest.mark.parametrize("name", [None, *HOSTILE_SHAPES])
def test_readings_agree_on_lines_cut_at_every_byte(name: str | None):
    line = line_of_shape(name, 7)
    assert_agreement(b"\n".join([line, *(line[:end] for end in range(len(line) + 1))]))


@pytest.mark.parametrize("byte", [b'"', b" ", b"-", b"\r", b"\t", b"\0", b"5", b"\xff", b"[", b"."])
@pytest.mark.parametrize("kind", ["insert", "replace"])
def test_readings_agree_on_a_clean_line_with_a_byte_anywhere(kind: str, byte: bytes):
    line = clean_line()
    edited = [with_edit(line, kind, at, byte) for at in range(len(line) + 1)]
    assert_agreement(b"\n".join([line, *edited]))


@pytest.mark.parametrize("name", [None, *HOSTILE_SHAPES])
def test_a_line_is_read_alike_alone_and_among_others(name: str | None):
    """The lines of a block share nothing: neither a common start nor the way they end."""
    line = line_of_shape(name, 11)
    [alone] = of_workflow(line + b"\n")
    for content in (
        line + b"\n\n",
        clean_line() + b"\n" + line + b"\r\n",
        b"\n" + line + b"\n" + clean_line(),
        b"other owner [\n" + line + b"\n",
        clean_line().replace(BUCKET.encode(), b"another") + b"\n" + line + b"\n",
    ):
        assert alone in of_workflow(content)


@pytest.mark.parametrize("number", range(17, 41))
def test_the_number_of_fields_does_not_matter(number: int):
    assert read_one(clean_line(fields=number)) == kept()


# --- What is right -------------------------------------------------------------------------------


def read_one(line: bytes) -> Reading:
    assert_agreement(line + b"\n")
    [reading] = of_workflow(line + b"\n")
    return reading


def kept(*, key: str | None = None, bytes_sent: int = 1443, status: int = 200) -> Reading:
    key = STORE.object_key if key is None else key
    request = oracle.Request(TIME.replace(tzinfo=dt.UTC), "192.0.2.1", key, bytes_sent, status)
    return "kept", with_epoch(request)


def test_a_clean_line_is_kept_by_the_fast_reading():
    assert read_one(clean_line()) == kept()
    assert read_one(clean_line(BLOB)) == kept(key=BLOB.object_key)


DENIED = {"status": "403", "error": "AccessDenied", "bytes_sent": "243", "object_size": "-"}
KEY = f"zarr/{STORE.id}/0/1/2"


@pytest.mark.parametrize(
    "uri",
    [
        f'"GET /{KEY} HTTP/1.1" 200 - 5 5 5 5 "x HTTP/1.1"',
        f'"GET /{KEY} HTTP/1.1" 200 - 5 5 5 5 " HTTP/1.1"',
        f'"GET /{KEY} HTTP/1.1" 200 - 5 5 5 5 "x" "y" - HTTP/1.1"',
        f'"GET /{KEY} HTTP/1.1" 200 - 5 5 5 5 "x" "y" HTTP/1.1"',
        f'"GET /{KEY} HTTP/1.1" 200 - 5 5 5 5 "x" "y"z" HTTP/1.1"',
        f'"GET /{KEY} HTTP/1.1" 200 - 5 5 5 5 "x" "y"z"" HTTP/1.1"',
        f'"GET /{KEY} HTTP/1.1" 200 - 5 5 5 5 "x" "y"z""" HTTP/1.1"',
        f'"GET /{KEY} HTTP/1.1" 200 - 5 5 5 5 "x" "y"""""""" HTTP/1.1"',
        f'"GET /{KEY} HTTP/1.1" 200 - 5 5 5 5 "x" "y" - HTTP/1.1" 200 - 5 5 5 5 "z HTTP/1.1"',
        f'"GET /{KEY} HTTP/1.0" 200 - 5 5 5 5 "x" "y"  HTTP/2"',
        f'"GET /{KEY}" 200 - 5 5 5 5 "x"',
        f'"GET /{KEY}" 200 - 5 5 5 5 "',
    ],
)
def test_a_forged_request_line_never_counts(uri: str):
    assert read_one(clean_line(uri=uri, **DENIED)) == ("malformed", None)


@pytest.mark.parametrize("field", ["referer", "agent"])
@pytest.mark.parametrize(
    "forged",
    [
        '"x HTTP/1.1" 200 - 5 5 5 5 "y"',
        '"x" "y"z"" HTTP/1.1" 200 - 5 5 5 5 "y"',
        '"x" HTTP/1.1" 200 - 5 5 5 5 -"',
    ],
)
def test_a_forged_referer_or_agent_makes_a_line_ambiguous(field: str, forged: str):
    assert read_one(clean_line(**{field: forged})) == ("malformed", None)
    assert read_one(clean_line(**{field: forged}, **DENIED)) == ("malformed", None)


@pytest.mark.parametrize(
    ("fields", "reading"),
    [
        ({"status": "206", "bytes_sent": "-"}, kept(bytes_sent=0, status=206)),
        ({"status": "304", "bytes_sent": "-"}, ("unsuccessful", None)),
        ({"status": "-"}, ("unsuccessful", None)),
        ({"status": "299"}, kept(status=299)),
        ({"status": "20"}, ("malformed", None)),
        ({"bytes_sent": str(2**63 - 1)}, kept(bytes_sent=2**63 - 1)),
        ({"bytes_sent": str(2**63)}, ("malformed", None)),
        ({"bytes_sent": "0" * 30 + "5"}, kept(bytes_sent=5)),
        ({"bytes_sent": "+5"}, ("malformed", None)),
        ({"total_ms": "-", "turn_around_ms": "-"}, kept()),
        ({"operation": "REST.HEAD.OBJECT"}, ("other_operation", None)),
        ({"operation": "REST.SOMETHING.NEW"}, ("other_operation", None)),
        ({"operation": "GRPC.GET.OBJECT"}, ("malformed", None)),
        ({"requester": "a b c"}, kept()),
        ({"requester": "a  b"}, ("malformed", None)),
        ({"requester": ""}, ("malformed", None)),
        ({"requester": 'a"b'}, ("malformed", None)),
        ({"request_id": ""}, kept()),
        ({"request_id": 'a"b'}, kept()),
        ({"requester": "a b", "request_id": 'a"b'}, ("malformed", None)),
        ({"key": "zarr/\udcc3\udcc3a/0/1"}, kept(key="zarr/\ufffd\ufffda")),
        ({"key": "zarr/é\U0001f600/0/1"}, kept(key="zarr/é\U0001f600")),
        ({"key": "blobs/é/x"}, kept(key="blobs/é/x")),
        ({"key": "zarr/x"}, kept(key="zarr/x")),
        ({"key": "zarr//x"}, ("other_key", None)),
        ({"key": "zarr/x/"}, ("other_key", None)),
        ({"key": "blobs/"}, ("other_key", None)),
        ({"key": "/"}, ("other_key", None)),
        ({"uri": '"-"', "agent": '""Mozilla/5.0 (X11)"'}, kept()),
        ({"uri": "-", "referer": "-", "agent": "-"}, kept()),
        ({"uri": f'"GET /{KEY}" HTTP/1.1"'}, kept()),
        ({"uri": f'"GET /{KEY}?q="x.json"&y HTTP/1.1"'}, kept()),
        ({"uri": PHP, "status": "404"}, ("unsuccessful", None)),
        ({"agent": '"() { :;}; echo "x""'}, kept()),
        ({"agent": '"x" 404 - 5 5 5 5 "y"'}, kept()),
        ({"zone": "+0530"}, ("kept", None)),
        ({"zone": "+2400"}, ("malformed", None)),
        ({"zone": "+0060"}, ("malformed", None)),
    ],
    ids=repr,
)
def test_what_odd_lines_say(fields: dict, reading: Reading):
    found = read_one(clean_line(**fields))
    assert found == reading or (reading == ("kept", None) and found[0] == "kept")


@pytest.mark.parametrize(
    ("time", "instant"),
    [
        ("01/May/2022:05:06:35 +0530", "2022-04-30T23:36:35+00:00"),
        ("31/Dec/2021:23:30:00 -0100", "2022-01-01T00:30:00+00:00"),
        ("29/Feb/2024:00:00:00 +0000", "2024-02-29T00:00:00+00:00"),
        *((time, None) for time in (" 1/May/2022:05:06:35 +0000", "01/may/2022:05:06:35 +0000")),
        *((time, None) for time in ("01/May/+2022:05:06:35 +0000", "32/Jan/2022:05:06:35 +0000")),
        *((time, None) for time in ("29/Feb/2022:05:06:35 +0000", "01/May/2022:05:06:60 +0000")),
        *((time, None) for time in ("01/May/2022:24:00:00 +0000", "01/May/2022:05:06:35 +2400")),
    ],
)
def test_times(time: str, instant: str | None):
    line = clean_line().replace(b"01/May/2022:05:06:35 +0000", time.encode())
    name, values = read_one(line)
    assert (name == "kept") == (instant is not None)
    if values:
        assert dt.datetime.fromtimestamp(values[0] / 1000, dt.UTC).isoformat() == instant


@settings(max_examples=300, deadline=None)
@given(st.datetimes(dt.datetime(1000, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59)))
@example(dt.datetime(1969, 12, 31, 23, 59, 59))
@example(dt.datetime(1900, 2, 28))
@example(dt.datetime(2000, 2, 29))
@example(dt.datetime(2000, 3, 1))
def test_every_time(time: dt.datetime):
    [(name, values)] = of_workflow(render_line(Request(time, "192.0.2.1", KEY, '"GET / HTTP/1.1"')))
    assert name == "kept"
    since = time.replace(microsecond=0) - dt.datetime(1970, 1, 1)
    assert values[0] == since // dt.timedelta(milliseconds=1)


@pytest.mark.parametrize("separator", [b"\t", b"  ", b"\xc2\xa0", b"\x0b", b"\r", b"\0"])
@pytest.mark.parametrize("gap", range(8))
def test_fields_up_to_the_key_are_apart_by_one_space(gap: int, separator: bytes):
    fields = clean_line().split(b" ", 9)
    line = b" ".join(fields[: gap + 1]) + separator + b" ".join(fields[gap + 1 :])
    assert read_one(line)[0] in ("malformed", "other_key")


def test_every_class_and_every_operation():
    rules = _log_lines.Rules(operation="REST.HEAD.OBJECT")
    lines = [clean_line(), clean_line(operation="REST.HEAD.OBJECT"), b"", b"x"]
    [reading] = _log_lines.read([b"\n".join(lines)], rules)
    assert reading.classes.to_list() == ["other_operation", "kept", "empty", "malformed"]
    assert set(_log_lines.CLASSES) == set(oracle.CLASSES)


# --- Many lines ----------------------------------------------------------------------------------


MANY = [line_of_shape(name, seed) for seed in range(5) for name in (None, None, *HOSTILE_SHAPES)]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("lines_at_once", [1, 7, 1 << 18])
@pytest.mark.parametrize("lines_a_piece", [1, 7, len(MANY)])
def test_lines_may_come_in_pieces_and_be_read_in_portions(
    monkeypatch: pytest.MonkeyPatch, compiled: bool, lines_at_once: int, lines_a_piece: int
):
    monkeypatch.setattr(_clean_lines, "LINES_AT_ONCE", lines_at_once)
    pieces = [
        b"\n".join(MANY[begin : begin + lines_a_piece]) + b"\n"
        for begin in range(0, len(MANY), lines_a_piece)
    ]
    found, malformed, before = [], [], 0
    for reading in _log_lines.read(pieces, RULES, compiled=compiled):
        found += readings(reading.classes, reading.kept)
        malformed += [(before + row, line) for row, line in reading.malformed]
        before += len(reading.classes)
    assert found == of_oracle(MANY)
    assert malformed == [
        (row, MANY[row]) for row, (name, _) in enumerate(found) if name == "malformed"
    ]


def test_many_odd_lines_are_read_in_portions(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_clean_lines, "_BYTES_OF_ODD_LINES", 10)
    several = list(_log_lines.read([b"x" * 6 + b"\n"] * 5, RULES))
    assert [len(reading.classes) for reading in several] == [2, 2, 1]


@pytest.mark.parametrize("longer", [0, 1, 2, 70_000])
@pytest.mark.parametrize("field", ["referer", "key"])
def test_a_long_line(field: str, longer: int):
    short = clean_line(**{field: "zarr/x/"})
    text = "zarr/x/" + "y" * (_clean_lines.LONGEST - len(short) + longer)
    line = clean_line(**{field: text}) if field == "referer" else clean_line(key=text, uri="-")
    [(name, _)] = of_workflow(line)
    assert name == of_oracle([line])[0][0]
    assert_agreement(line + b"\n" + clean_line())


def test_the_loop_is_compiled_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch):
    compiled = []

    def njit(function: Callable, **settings: bool) -> Callable:
        if settings.get("cache"):
            raise RuntimeError("cannot cache function: no locator available for file")
        compiled.append(function)
        return function

    monkeypatch.setattr(_compiling, "njit", njit)
    assert _compiling.compiled(lines_of) is lines_of
    assert compiled == [lines_of]


# --- Excluded addresses --------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.lists(edited_lines() | built_lines(), min_size=1, max_size=10))
def test_excluded_addresses(lines: list[bytes]):
    assert of_workflow(b"\n".join(lines) + b"\n", EXCLUDING) == of_oracle(lines, EXCLUDED)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"ip": "203.0.113.9"}, "excluded_ip"),
        ({"ip": "2001:DB8:BAD:0::9"}, "excluded_ip"),
        ({"ip": "203.0.114.9"}, "kept"),
        ({"ip": "::ffff:203.0.113.9"}, "kept"),
        ({"ip": "203.0.113.9", "key": "/"}, "excluded_ip"),
        ({"ip": "203.0.113.9", "status": "404"}, "excluded_ip"),
        ({"ip": "203.0.113.9", "bytes_sent": "x"}, "excluded_ip"),
        ({"ip": "203.0.113.9", "operation": "REST.HEAD.OBJECT"}, "other_operation"),
    ],
)
def test_classes_of_excluded_addresses(fields: dict[str, str], name: str):
    assert [found for found, _ in of_workflow(clean_line(**fields), EXCLUDING)] == [name]
