"""The grammar of an S3 server access log line, as Polars expressions.

Source of the rules: AWS, "Amazon S3 server access log format", and lines that the archive's bucket
really got (docs/log-lines.md). Two readings stand side by side and must agree on every line:

- `read_clean` takes lines of the common shape. It looks for a few fixed texts and slices between
  them, and leaves a line alone as soon as anything about it is unusual.
- `read_exact` takes what is left, with regular expressions, and decides.

A line belongs to the first class that applies: empty, malformed (no time, address, operation and
key), other_operation, excluded_ip, other_key, malformed (no status and bytes), unsuccessful, kept.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Container
from dataclasses import dataclass

import polars as pl

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

_TIME_FORMAT = "%d/%b/%Y:%H:%M:%S %z"
_CLEAN_TIME_FORMAT = "%d/%b/%Y:%H:%M:%S +0000] "
_TIME = r"[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-5][0-9] [+-][0-9]{4}"
_OPERATION = r"(?:REST|WEBSITE|S3|BATCH|SOAP)\.[A-Za-z0-9_.]+"
_NUMBER = r"(?:[0-9]+|-)"
_HEAD = (
    rf"^[^ ]+ [^ ]+ \[(?<time>{_TIME})\] (?<ip_address>[^ ]+) "
    # The requester may hold spaces; no quote, or a forged user agent could name an operation.
    r'[^ "]+(?: [^ "]+)*? [^ "]+ '
    rf"(?<operation>{_OPERATION})(?: (?<key>[^ ]*)(?: (?<tail>.*))?)?$"
)

# What ends a request-URI: its last character, status, error, bytes sent, object size, total and
# turn-around time, and the first character of the referer. That one may begin the next such place,
# so it must not be part of the match, and this kind of regular expression has no lookahead: instead
# every `"` and `-` that begins a field gets a `\n`, which no line holds, between it and its space.
_FIELD_START = r' (["-])'
_MARKED_START = " \n$1"
_MARKED_NUMBER = r"(?:[0-9]+|\n-)"
_URI_END = (
    r'(?: HTTP/[0-9]+(?:\.[0-9]+)?)?["-] (?:[0-9]{3}|\n-) [^ ]+ ' + f"{_MARKED_NUMBER} " * 4 + r"\n"
)
_URI_END_FIELDS = (
    rf'^(?: HTTP/[0-9.]+)?["-] (?<status>[0-9]{{3}}|\n-) [^ ]+ (?<bytes_sent>{_MARKED_NUMBER}) '
)

# A line between its quotes: what stands before the URI, the URI, the numbers, the referer, a space,
# the user agent, what stands behind it; and what stands behind further quotes, which may not be.
_EXCESS = ("excess_1", "excess_2", "excess_3", "excess_4", "excess_5")
_PARTS = ("head", "uri", "numbers", "referer", "gap", "agent", "end", *_EXCESS)
_FREQUENT_OPERATIONS = (
    "REST.GET.OBJECT",
    "REST.HEAD.OBJECT",
    "REST.GET.BUCKET",
    "REST.HEAD.BUCKET",
    "REST.PUT.OBJECT",
    "REST.PUT.PART",
    "REST.POST.UPLOAD",
    "REST.POST.UPLOADS",
    "REST.COPY.OBJECT",
    "REST.COPY.OBJECT_GET",
    "REST.COPY.PART",
    "REST.COPY.PART_GET",
    "REST.DELETE.OBJECT",
    "REST.POST.MULTI_OBJECT_DELETE",
    "BATCH.DELETE.OBJECT",
    "REST.OPTIONS.PREFLIGHT",
    "REST.GET.BUCKETVERSIONS",
    "REST.GET.OBJECT_TAGGING",
    "REST.PUT.OBJECT_TAGGING",
    "REST.GET.TAGGING",
    "REST.GET.VERSIONING",
    "REST.GET.LOCATION",
    "REST.GET.ACL",
    "REST.GET.UPLOADS",
    "REST.GET.UPLOAD",
    "REST.GET.OBJECT_LOCK_CONFIGURATION",
)
_TIME_WIDTH = len("01/May/2022:03:05:53 +0000] ")
_CLEAN_TIME = "^" + _TIME.replace("[+-][0-9]{4}", r"\+0000") + r"\] $"
_BYTES_AT = len(" 200 - ")
# The total time must be a number: ` - 404 HTTP/1.1" 200 - 5 5 - "` would be an end of the URI too.
# More digits of bytes sent than these may not fit into 64 bits.
_CLEAN_NUMBERS = rf"^ [0-9]{{3}} [^ ]+ (?:[0-9]{{1,18}}|-) {_NUMBER} [0-9]+ {_NUMBER} $"


_LONGEST_PREFIX = 1000


@dataclass(frozen=True)
class Rules:
    """What makes a line of the grammar count.

    Attributes:
        operation: The operation whose requests are kept, such as `REST.GET.OBJECT`.
    """

    operation: str = "REST.GET.OBJECT"


def common_prefix(content: str) -> str:
    """Owner, bucket and the bracket before the time, which nearly all lines of a day share.

    Where the content does not begin so, a text that no line begins with.
    """
    prefix = re.match(r"[!-~]+ [!-~]+ \[", content)
    return prefix[0] if prefix else "\n"


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


def object_of_ascii(key: pl.Expr) -> pl.Expr:
    """The same as `object_of`, faster, for keys of ASCII characters alone."""
    id_end = key.str.slice(len("zarr/")).str.find("/", literal=True)
    return (
        pl.when(key.str.ends_with("/"))
        .then(None)
        .when(key.str.starts_with("blobs/") | (key.str.starts_with("zarr/") & id_end.is_null()))
        .then(key)
        .when(key.str.starts_with("zarr/") & (id_end > 0))
        .then(key.str.slice(0, len("zarr/") + id_end))
    )


def split_at_quotes(content: bytes) -> pl.LazyFrame:
    """The lines of a block, cut at their quotes: `_PARTS`, empty where there are no more.

    Polars' CSV reader is the fastest thing here that finds both lines and quotes.

    Args:
        content: Whole lines, in UTF-8, none with more quotes than `_PARTS` allow.
    """
    return pl.scan_csv(
        content,
        separator='"',
        quote_char=None,
        has_header=False,
        schema=dict.fromkeys(_PARTS, pl.String),
        extra_columns="raise",
        missing_columns="insert",
        empty_string_is_null=False,
        raise_if_empty=False,
    )


def read_clean(content: bytes, rules: Rules, prefix: str) -> pl.DataFrame:
    """Read the lines of the common shape.

    A line is clean when it has six quotes and, between them, exactly the fields that it should, in
    the characters that they should have. The end of the URI is then where the second quote stands:
    another one would need a ` HTTP/x.y` before the sixth, so a user agent may not hold one.

    Args:
        content: The whole lines of a block, in UTF-8.
        rules: What counts.
        prefix: The `common_prefix` of the block.

    Returns:
        The columns of `READ`, one row a line; `class` is null where the line is not clean.
    """
    cut = cut_clean(content, len(prefix)).collect()
    fields = pl.col("fields").struct
    kept_operation = fields[3] == rules.operation
    return (
        cut.lazy()
        .with_columns(
            # Characters must be bytes here, for what is found at a byte is cut at a character.
            headed=(pl.col("head").str.len_chars() == pl.col("head").str.len_bytes())
            & pl.col("head").str.starts_with(prefix)
            & clean_times(cut.get_column("time"))
            & (fields[0] != "")
            & (fields[1] != "")
            & (fields[2] != "")
            & (fields[4] != "")
            & (fields[5] == ""),
            ended=(
                pl.col("uri").str.ends_with(" HTTP/1.1") | pl.col("uri").str.ends_with(" HTTP/1.0")
            )
            & pl.col("numbers").str.contains(_CLEAN_NUMBERS)
            & (pl.col("gap") == " ")
            & pl.all_horizontal(pl.col(_EXCESS) == "")
            & ~pl.col("agent").str.contains("HTTP/", literal=True),
            object_key=object_of_ascii(fields[4]),
            successful=pl.col("numbers").str.starts_with(" 2"),
            without_error=pl.col("numbers").str.slice(4, 3) == " - ",
            bytes_sent=pl.col("bytes_text")
            .str.slice(0, pl.col("bytes_text").str.find(" ", literal=True))
            .cast(pl.Int64, strict=False),
        )
        .select(
            "row",
            pl.when(~pl.col("headed").fill_null(False))
            .then(None)
            .when(~kept_operation)
            .then(pl.when(fields[3].is_in(_FREQUENT_OPERATIONS)).then(class_of("other_operation")))
            .when(pl.col("object_key").is_null())
            .then(class_of("other_key"))
            .when(pl.col("ended") & ~pl.col("successful"))
            .then(class_of("unsuccessful"))
            .when(pl.col("ended") & pl.col("without_error") & (pl.col("bytes_sent") >= 0))
            .then(class_of("kept"))
            .alias("class"),
            time_of(pl.col("time"), _CLEAN_TIME_FORMAT)
            .dt.replace_time_zone("UTC")
            .alias("timestamp"),
            fields[0].alias("ip_address"),
            "object_key",
            "bytes_sent",
            pl.col("numbers").str.slice(1, 3).cast(pl.UInt16, strict=False).alias("status"),
        )
        .collect()
    )


def without_odd(content: bytes) -> bytes:
    """The lines of a block, those emptied that the CSV reader would not cut as they are.

    These have more quotes than `_PARTS` allow, or a carriage return, which it takes for an end.
    """
    line = pl.col("line")
    odd = (line.str.count_matches('"', literal=True) >= len(_PARTS)) | line.str.contains(
        "\r", literal=True
    )
    emptied = pl.when(odd).then(pl.lit("")).otherwise(line).str.join("\n")
    return pl.read_lines(content).select(emptied).item().encode() + b"\n"


def cut_clean(content: bytes, prefix_width: int) -> pl.LazyFrame:
    """Cut the lines of a block where the fields of a clean line are.

    Args:
        content: The whole lines of a block, in UTF-8.
        prefix_width: Bytes before the time.

    Returns:
        `row`, the columns of `_PARTS`, and `time`, `fields` (what stands between time and URI, at
        its spaces), `bytes_text` (what stands behind status and error).
    """
    head = pl.col("head")
    return (
        split_at_quotes(content)
        .with_row_index("row")
        .with_columns(
            time=head.str.slice(prefix_width, _TIME_WIDTH),
            fields=head.str.slice(prefix_width + _TIME_WIDTH).str.splitn(" ", 6),
            bytes_text=pl.col("numbers").str.slice(_BYTES_AT),
        )
    )


def clean_times(times: pl.Series) -> pl.Expr:
    """Whether `time` is a time as S3 writes it; a block has many lines but few times."""
    different = times.unique()
    readable = different.to_frame().select(time_of(pl.first(), _CLEAN_TIME_FORMAT)).to_series()
    good = different.str.contains(_CLEAN_TIME) & readable.is_not_null()
    return pl.lit(True) if good.all() else pl.col("time").is_in(different.filter(good).implode())


def time_of(text: pl.Expr, form: str) -> pl.Expr:
    """A time, to the millisecond; null where there is no such time, or no such year."""
    time = text.str.to_datetime(form, time_unit="ms", strict=False)
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
    behind_protocol = ends.list.filter(pl.element().str.contains(r'^ HTTP/[0-9.]+"'))
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


def exclude(requests: pl.DataFrame, excluded: Container[str]) -> pl.DataFrame:
    """Class the lines of the kept operation that came from an excluded address.

    Args:
        requests: The columns of `READ`.
        excluded: Answers whether an address, as logged, is excluded.
    """
    behind = ["other_key", "malformed", "unsuccessful", "kept"]
    addresses = requests.get_column("ip_address").drop_nulls().unique()
    chosen = addresses.filter(pl.Series([a in excluded for a in addresses], dtype=pl.Boolean))
    return requests.with_columns(
        pl.when(pl.col("class").is_in(behind) & pl.col("ip_address").is_in(chosen.implode()))
        .then(class_of("excluded_ip"))
        .otherwise("class")
        .alias("class")
    )


def read(content: bytes, rules: Rules) -> pl.DataFrame:
    """Read the lines of a block: the clean ones fast, the others exactly.

    What is no UTF-8 becomes U+FFFD: it can only stand where nothing is read from, or in a key.

    Args:
        content: Whole lines; the last one may lack its newline.
        rules: What counts.

    Returns:
        The columns of `READ`, one row a line, in the order of the lines.
    """
    if content.startswith(codecs.BOM_UTF8):
        # The CSV reader would pass over it. It is part of the owner, whose text does not matter.
        content = b"BOM" + content[len(codecs.BOM_UTF8) :]
    if not content.isascii():
        content = content.decode("utf-8", "replace").encode()
    prefix = common_prefix(content[:_LONGEST_PREFIX].decode("utf-8", "replace"))
    try:
        tidy = content.replace(b"\r\n", b"\n") if b"\r" in content else content
        clean = read_clean(without_odd(tidy) if b"\r" in tidy else tidy, rules, prefix)
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        clean = read_clean(without_odd(content), rules, prefix)
    unread = clean.get_column("class").is_null()
    if not unread.any():
        return clean
    lines = pl.read_lines(content).with_row_index("row").filter(unread)
    return pl.concat([clean.filter(~unread), read_exact(lines.lazy(), rules).collect()]).sort("row")
