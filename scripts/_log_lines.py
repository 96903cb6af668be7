"""The grammar of an S3 server access log line, as Polars expressions.

Source of the rules: AWS, "Amazon S3 server access log format", and lines that the archive's bucket
really got (docs/log-lines.md). Two readings stand side by side and must agree on every line:

- `read_clean` takes lines of the common shape, whose fields stand where AWS says, and leaves a line
  alone as soon as anything about it is unusual.
- `read_exact` takes what is left, with regular expressions, and decides.

A line belongs to the first class that applies: empty, malformed (no time, address, operation and
key), other_operation, excluded_ip, other_key, malformed (no status and bytes), unsuccessful, kept.
"""

from __future__ import annotations

import codecs
from bisect import bisect_right
from collections.abc import Container
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl
import stringzilla

CLASSES = (
    "empty",
    "malformed",
    "other_operation",
    "excluded_ip",
    "other_key",
    "unsuccessful",
    "kept",
)

CLASS = pl.Enum(CLASSES)

READ = {
    "row": pl.UInt32,
    "class": CLASS,
    "timestamp": pl.Datetime("ms", "UTC"),
    "ip_address": pl.String,
    "object_key": pl.String,
    "bytes_sent": pl.Int64,
    "status": pl.UInt16,
}
"""Columns of a reading: the line's number in its block, its class, and what a kept line says.
The values of a line of another class mean nothing."""

_DATE = r"[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-5][0-9]"
_TIME = rf"{_DATE} [+-][0-9]{{4}}"
_DATE_FORMAT = "[%d/%b/%Y:%H:%M:%S"
_TIME_FORMAT = "%d/%b/%Y:%H:%M:%S %z"
_OPERATION = r"(?:REST|WEBSITE|S3|BATCH|SOAP)\.[A-Za-z0-9_.]+"
_PROTOCOL = r"HTTP/[0-9]+(?:\.[0-9]+)?"
_HEAD = (
    rf"^[^ ]* [^ ]* \[(?<time>{_TIME})\] (?<ip_address>[^ ]+) "
    # The requester may hold spaces, but no quote, or a forged user agent could name an operation.
    r'(?:[^ "]+ [^ ]*|[^ "]+(?: [^ "]+)+? [^ "]+) '
    rf"(?<operation>{_OPERATION})(?: (?<key>[^ ]*)(?: (?<tail>.*))?)?$"
)

# What ends a request-URI: its last character, status, error, bytes sent, object size, total and
# turn-around time, and the first character of the referer. That one may begin the next such place,
# so it must not be part of the match, and this kind of regular expression has no lookahead: instead
# every `"` and `-` that begins a field gets a `\n`, which no line holds, between it and its space.
_FIELD_START = r' (["-])'
_MARKED_START = " \n$1"
_MARKED_NUMBER = r"(?:[0-9]+|\n-)"
_URI_END = rf'(?: {_PROTOCOL})?["-] (?:[0-9]{{3}}|\n-) [^ ]+ ' + f"{_MARKED_NUMBER} " * 4 + r"\n"
_URI_END_FIELDS = (
    rf'^(?: {_PROTOCOL})?["-] (?<status>[0-9]{{3}}|\n-) [^ ]+ (?<bytes_sent>{_MARKED_NUMBER}) '
)

_FIELDS = (
    "owner",
    "bucket",
    "date",
    "zone",
    "ip_address",
    "requester",
    "request_id",
    "operation",
    "key",
    "method",
    "path",
    "protocol",
    "status",
    "error",
    "bytes_sent",
    "object_size",
    "total_ms",
    "turn_around_ms",
    "referer",
)
"""What stands between the spaces of a clean line, up to the first word of the referer."""
_FEW_TEXTS = ("date", "zone", "requester", "operation", "protocol", "status", "error", "referer")
"""Those of `_FIELDS` that have few different texts among many lines."""
_MANY_TEXTS = ("ip_address", "key", "bytes_sent", "object_size", "total_ms", "turn_around_ms")

_BEFORE_PROTOCOL = " HTTP/"
_LINES_AT_A_TIME = 128
_WORTH_COUNTING = 1000
"""Where fewer than one line in so many is odd, a block is counted as a whole before its lines."""


@dataclass(frozen=True)
class Rules:
    """What makes a line of the grammar count.

    Attributes:
        operation: The operation whose requests are kept, such as `REST.GET.OBJECT`.
        excluded: Answers whether an address, as logged, is excluded.
    """

    operation: str = "REST.GET.OBJECT"
    excluded: Container[str] = ()


class Reading(NamedTuple):
    """What the lines of a block say.

    Attributes:
        classes: The class of each line.
        kept: The columns of `READ`, one row for each line of the class `kept`, in order.
        malformed: Row and bytes of each malformed line.
    """

    classes: pl.Series
    kept: pl.DataFrame
    malformed: list[tuple[int, bytes]]


def object_of(key: pl.Expr) -> pl.Expr:
    """The object a key counts for: a blob's whole key, a Zarr's `zarr/{id}`; null for other keys.

    A key with a trailing slash names no object, nor does one of a Zarr without an id.
    """
    return (
        pl.when(key.str.ends_with("/"))
        .then(None)
        .when(key.str.starts_with("blobs/"))
        .then(key)
        .when(key.str.starts_with("zarr/"))
        .then(key.str.extract("^(zarr/[^/]+)"))
    )


def names_object(key: pl.Expr) -> pl.Expr:
    """Whether a key counts for an object: `object_of` is not null."""
    of_store = key.str.starts_with("zarr/") & ~key.str.starts_with("zarr//")
    return (key.str.starts_with("blobs/") | of_store) & ~key.str.ends_with("/")


def named_object(key: pl.Expr) -> pl.Expr:
    """`object_of`, for keys that name an object; faster."""
    in_bytes, start = key.cast(pl.Binary), len("zarr/")
    # A key of another kind may be cut in the middle of a character; what it gives is not used.
    id_end = in_bytes.bin.slice(start).cast(pl.String, strict=False).str.find("/", literal=True)
    return (
        pl.when(key.str.starts_with("zarr/") & id_end.is_not_null())
        .then(in_bytes.bin.slice(0, start + id_end).cast(pl.String, strict=False))
        .otherwise(key)
    )


def cut(content: bytes) -> pl.LazyFrame:
    """The lines of a block, cut at their spaces: `_FIELDS`, null or empty where there are no more.

    Polars' CSV reader is the fastest thing here that finds both lines and spaces. What has few
    different texts is read as categories, so that a text is looked at once and not in every line.
    Text that is not UTF-8 is null in a category, and has U+FFFD in its place elsewhere.
    """
    few = {name: pl.Categorical(pl.Categories.random()) for name in _FEW_TEXTS}
    return pl.scan_csv(
        content,
        separator=" ",
        quote_char=None,
        has_header=False,
        schema={name: few.get(name, pl.String) for name in _FIELDS},
        extra_columns="ignore",
        missing_columns="insert",
        empty_string_is_null=False,
        raise_if_empty=False,
        encoding="utf8-lossy",
        ignore_errors=True,
    ).select(_FEW_TEXTS + _MANY_TEXTS)


def meaning_of(column: pl.Series, meaning: pl.Expr) -> pl.Series:
    """What each value of a column of categories means, worked out once for each different text.

    Args:
        column: Categories.
        meaning: An expression on the column `text`.
    """
    texts = column.dtype.categories.to_series().alias("text").to_frame()
    return texts.select(meaning).to_series().gather(column.to_physical()).alias(column.name)


def read_clean(content: bytes, rules: Rules) -> pl.DataFrame:
    """Read the lines of the common shape.

    A line is clean when its fields stand where AWS says, none of them but referer and user agent
    with a space in it, and when its URI ends in a protocol. Then its numbers are the first that end
    a request-URI: earlier ones would take its total time for the start of a referer. Whether there
    are others later in the line, behind a protocol, is not looked at here.

    Args:
        content: The whole lines of a block.
        rules: What counts.

    Returns:
        The columns of `READ`, but `key` for `object_key`; and `protocol`, whether the twelfth field
        is one. One row a line; `class` is null where the line is not clean.
    """
    fields = cut(content).collect()
    text = pl.col("text")
    date = pl.when(text.str.contains(rf"^\[{_DATE}$")).then(text)
    time = time_of(date, _DATE_FORMAT).dt.replace_time_zone("UTC")
    operation = pl.when(text.str.contains(f"^{_OPERATION}$")).then(text == rules.operation)
    status = pl.when(text.str.contains("^[0-9]{3}$")).then(text.cast(pl.UInt16, strict=False))
    address, key, status_at, bytes_at = map(pl.col, ("ip_address", "key", "status", "bytes_sent"))
    headed = (
        pl.col("timestamp").is_not_null()
        & pl.col("zone")
        & (address != "")
        & pl.col("requester")
        & pl.col("wanted").is_not_null()
        & (key != "")
    )
    ended = (
        pl.col("protocol")
        & status_at.is_not_null()
        & pl.col("error")
        & (is_number(bytes_at) | (bytes_at == "-"))
        & (is_number(pl.col("object_size")) | (pl.col("object_size") == "-"))
        & is_number(pl.col("total_ms"))
        & (is_number(pl.col("turn_around_ms")) | (pl.col("turn_around_ms") == "-"))
        & pl.col("referer")
    )
    return (
        fields.select(_MANY_TEXTS)
        .with_columns(
            meaning_of(fields["date"], time).alias("timestamp"),
            meaning_of(fields["zone"], text == "+0000]"),
            meaning_of(fields["requester"], text.str.contains('^[^"]+$')),
            meaning_of(fields["operation"], operation).alias("wanted"),
            meaning_of(fields["protocol"], text.str.contains(f'^{_PROTOCOL}"$')),
            meaning_of(fields["status"], status),
            meaning_of(fields["error"], text != ""),
            meaning_of(fields["referer"], text.str.contains('^["-]')),
        )
        .with_row_index("row")
        .select(
            "row",
            pl.when(headed & ~pl.col("wanted"))
            .then(class_of("other_operation"))
            .when(headed & is_excluded(address, rules))
            .then(class_of("excluded_ip"))
            .when(headed & ~names_object(key))
            .then(class_of("other_key"))
            .when(headed & ended & status_at.is_between(200, 299))
            .then(class_of("kept"))
            .when(headed & ended)
            .then(class_of("unsuccessful"))
            .alias("class"),
            "timestamp",
            "ip_address",
            "key",
            bytes_at.cast(pl.Int64, strict=False).fill_null(0),
            "status",
            "protocol",
        )
    )


def is_number(text: pl.Expr) -> pl.Expr:
    """Whether a text is digits alone, and of a number that fits into 64 bits."""
    # A cast takes signs and blanks before the digits, which sort before these.
    return (text >= "0") & text.cast(pl.Int64, strict=False).is_not_null()


def time_of(text: pl.Expr, form: str) -> pl.Expr:
    """A time, to the millisecond; null where there is no such time, or no such year."""
    time = text.str.to_datetime(form, time_unit="ms", strict=False, cache=False)
    return pl.when(time.dt.year().is_between(1, 9999)).then(time)


def class_of(name: str) -> pl.Expr:
    """A class as a value."""
    return pl.lit(name, dtype=CLASS)


def read_exact(lines: pl.LazyFrame, rules: Rules) -> pl.LazyFrame:
    """Read any lines by the whole grammar.

    The fields up to the key are read from the left. The end of the request-URI, which may hold
    anything, is where the numbers stand; of several such places the one behind ` HTTP/x.y` counts
    if there is exactly one of these, else the line is malformed: never guessed.

    Args:
        lines: `row`, `line`.
        rules: What counts.

    Returns:
        The columns of `READ`, one row a line; `class` is never null, and `ip_address` is null
        where time, address, operation and key were not all found.
    """
    headless = pl.col("timestamp").is_null() | pl.col("key").is_null() | (pl.col("key") == "")
    ends = pl.col("ends")
    behind_protocol = ends.list.filter(pl.element().str.contains(f'^ {_PROTOCOL}"'))
    return (
        lines.with_columns(pl.col("line").str.strip_chars_end("\r"))
        .with_columns(pl.col("line").str.extract_groups(_HEAD).alias("fields"))
        .unnest("fields")
        .with_columns(
            timestamp=time_of(pl.col("time"), _TIME_FORMAT),
            object_key=object_of(pl.col("key")),
            ends=pl.col("tail")
            .str.replace_all(_FIELD_START, _MARKED_START)
            .str.extract_all(_URI_END),
        )
        .with_columns(
            end=pl.when(ends.list.len() == 1)
            .then(ends.list.first())
            .when(behind_protocol.list.len() == 1)
            .then(behind_protocol.list.first())
        )
        .with_columns(pl.col("end").str.extract_groups(_URI_END_FIELDS).alias("numbers"))
        .unnest("numbers")
        .with_columns(
            successful=pl.col("status").str.starts_with("2"),
            bytes_sent=pl.when(pl.col("bytes_sent") == "\n-")
            .then(0)
            .otherwise(pl.col("bytes_sent").cast(pl.Int64, strict=False)),
        )
        .with_columns(
            pl.when(pl.col("line") == "")
            .then(class_of("empty"))
            .when(headless)
            .then(class_of("malformed"))
            .when(pl.col("operation") != rules.operation)
            .then(class_of("other_operation"))
            .when(is_excluded(pl.col("ip_address"), rules))
            .then(class_of("excluded_ip"))
            .when(pl.col("object_key").is_null())
            .then(class_of("other_key"))
            .when(pl.col("end").is_null() | pl.col("bytes_sent").is_null())
            .then(class_of("malformed"))
            .when(pl.col("successful"))
            .then(class_of("kept"))
            .otherwise(class_of("unsuccessful"))
            .alias("class"),
            pl.col("status").cast(pl.UInt16, strict=False),
            ip_address=pl.when(~headless).then("ip_address"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in READ.items())
    )


def is_excluded(address: pl.Expr, rules: Rules) -> pl.Expr:
    """Whether addresses, as logged, are excluded; each different one is looked up once."""

    def look_up(addresses: pl.Series) -> pl.Series:
        different = addresses.unique().drop_nulls()
        chosen = [text in rules.excluded for text in different]
        return addresses.is_in(different.filter(pl.Series(chosen, dtype=pl.Boolean)).implode())

    return address.map_batches(look_up, pl.Boolean) if rules.excluded else pl.lit(False)


def rows_to_doubt(
    block: stringzilla.Str, lines: stringzilla.Strs, usual: pl.Series, odd: list[int]
) -> list[int]:
    """The rows of a block whose lines hold more than their fields tell `read_clean`.

    Args:
        block: Whole lines.
        lines: The same, line by line.
        usual: Whether a line has a protocol in its place.
        odd: The rows that `read_clean` did not decide.
    """
    rows = rows_with_a_field_end(block, lines)
    in_odd = [lines[row].count(_BEFORE_PROTOCOL) for row in odd]
    usual = usual.scatter(odd, False)
    few_odd = len(odd) * _WORTH_COUNTING < len(usual)
    if few_odd and block.count(_BEFORE_PROTOCOL) == usual.sum() + sum(in_odd):
        return rows
    expected = usual.cast(pl.UInt32).scatter(odd, in_odd)
    return rows + rows_with_another_protocol(block, lines, usual, expected)


def rows_with_another_protocol(
    block: stringzilla.Str, lines: stringzilla.Strs, usual: pl.Series, expected: pl.Series
) -> list[int]:
    """The rows of usual lines with ` HTTP/` more than once.

    Some lines are looked at together: each has it as often as expected at least.

    Args:
        block: Whole lines.
        lines: The same, line by line.
        usual: Whether a line has a protocol in its place.
        expected: How often a line has ` HTTP/` at least.
    """
    firsts = range(0, len(usual), _LINES_AT_A_TIME)
    before = expected.cum_sum()
    ends = [*before.gather_every(_LINES_AT_A_TIME, _LINES_AT_A_TIME - 1), before[-1]]
    starts = [*(lines[first].offset_within(block) for first in firsts), len(block)]
    rows = []
    for place, first in enumerate(firsts):
        found = block[starts[place] : starts[place + 1]].count(_BEFORE_PROTOCOL)
        if found != ends[place] - (ends[place - 1] if place else 0):
            some = usual[first : first + _LINES_AT_A_TIME].arg_true()
            rows += [first + n for n in some if lines[first + n].count(_BEFORE_PROTOCOL) != 1]
    return rows


def rows_with_a_field_end(block: stringzilla.Str, lines: stringzilla.Strs) -> list[int]:
    """The rows of lines with a carriage return before a space, which the CSV reader drops."""
    rows, at = [], block.find("\r ")
    while at >= 0:
        rows.append(
            bisect_right(range(len(lines)), at, key=lambda row: lines[row].offset_within(block)) - 1
        )
        at = block.find("\r ", at + 1)
    return rows


def read(content: bytes, rules: Rules) -> Reading:
    """Read the lines of a block: the clean ones fast, the others exactly.

    What is no UTF-8 becomes U+FFFD: it can only stand where nothing is read from, or in a key.

    Args:
        content: Whole lines; the last one may lack its newline.
        rules: What counts.
    """
    if content.startswith(codecs.BOM_UTF8):
        # The CSV reader would pass over it. It is part of the owner, whose text does not matter.
        clean = read_clean(b"BOM" + content[len(codecs.BOM_UTF8) :], rules)
    else:
        clean = read_clean(content, rules)
    classes, usual = clean["class"], clean["protocol"].fill_null(False)
    kept = (
        clean.lazy()
        .filter(pl.col("class") == "kept")
        .with_columns(object_key=named_object(pl.col("key")))
        .select(READ.keys())
    )
    block = stringzilla.Str(content)
    odd = classes.is_null().arg_true().to_list()
    # Every line with a protocol in its place has one; if there are no more, none has a second.
    if not odd and block.count(_BEFORE_PROTOCOL) == usual.sum() and b"\r" not in content:
        return Reading(classes, kept.collect(), [])

    lines = block.split("\n")
    doubtful = rows_to_doubt(block, lines, usual, odd)
    rows = sorted({*odd, *doubtful})
    unread = [memoryview(lines[row]).tobytes() for row in rows]
    texts = [line.decode("utf-8", "replace") for line in unread]
    schema = {"row": pl.UInt32, "line": pl.String}
    exact = read_exact(pl.LazyFrame([rows, texts], schema), rules).collect()
    others = exact.lazy().filter(pl.col("class") == "kept")
    return Reading(
        classes.scatter(rows, exact["class"]),
        pl.concat([kept.filter(~pl.col("row").is_in(doubtful)), others]).sort("row").collect(),
        [(rows[place], unread[place]) for place in (exact["class"] == "malformed").arg_true()],
    )
