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

READ = {
    "row": pl.UInt32,
    "class": pl.String,
    "timestamp": pl.Datetime("ms", "UTC"),
    "ip_address": pl.String,
    "object_key": pl.String,
    "bytes_sent": pl.Int64,
    "status": pl.UInt16,
}
"""Columns of a reading: the line's number in its block, its class, and what a kept line says.
The values of a line of another class mean nothing."""

TIME_FORMAT = "%d/%b/%Y:%H:%M:%S %z"
_TIME = r"[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-5][0-9] [+-][0-9]{4}"
_OPERATION = r"(?:REST|WEBSITE|S3|BATCH|SOAP)\.[A-Za-z0-9_.]+"
_NUMBER = r"(?:[0-9]+|-)"
_HEAD = (
    rf"^[^ ]+ [^ ]+ \[(?<time>{_TIME})\] (?<ip_address>[^ ]+) "
    # The requester may hold spaces; no quote, or a forged user agent could name an operation.
    r'[^ "](?:[^"]*?[^ "])?? [^ "]+ '
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
# the user agent, and what stands behind it. The last one is there to see that there is no more.
_PARTS = ("head", "uri", "numbers", "referer", "gap", "agent", "end", "excess")
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
_CLEAN_TIME = _TIME.replace("[+-][0-9]{4}", r"\+0000")
_NO_ERROR = " - "
_BYTES_AT = len(" 200 - ")
# The total time must be a number: ` - 404 HTTP/1.1" 200 - 5 5 - "` would be an end of the URI too.
_CLEAN_NUMBERS = rf"^ [0-9]{{3}} [^ ]+ {_NUMBER} {_NUMBER} [0-9]+ {_NUMBER} $"


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
    id_end = key.str.slice(len("zarr/")).str.find("/", literal=True).fill_null(1 << 31)
    return (
        pl.when(key.str.ends_with("/"))
        .then(None)
        .when(key.str.starts_with("zarr/") & (id_end > 0))
        .then(key.str.slice(0, len("zarr/") + id_end))
        .when(key.str.starts_with("blobs/"))
        .then(key)
    )


def split_at_quotes(content: bytes) -> pl.LazyFrame:
    """The lines of a block, cut at their quotes: `_PARTS`, empty where there are no more.

    Polars' CSV reader is the fastest thing here that finds both lines and quotes.

    Args:
        content: Whole lines, in UTF-8.
    """
    return pl.scan_csv(
        content,
        separator='"',
        quote_char=None,
        has_header=False,
        schema=dict.fromkeys(_PARTS, pl.String),
        extra_columns="ignore",
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
    part = pl.col
    fields = pl.col("fields").struct
    return (
        split_at_quotes(content)
        .with_row_index("row")
        .with_columns(
            time=part("head").str.slice(len(prefix), _TIME_WIDTH),
            fields=part("head").str.slice(len(prefix) + _TIME_WIDTH).str.splitn(" ", 6),
            bytes_text=part("numbers").str.slice(_BYTES_AT),
            successful=part("numbers").str.starts_with(" 2"),
        )
        .select(
            "row",
            "successful",
            ip_address=fields[0],
            requester=fields[1],
            request=fields[2],
            operation=fields[3],
            key=fields[4],
            beyond=fields[5],
            headed=part("head").str.starts_with(prefix) & part("time").str.contains(_CLEAN_TIME),
            timestamp=part("time").str.to_datetime(
                "%d/%b/%Y:%H:%M:%S +0000] ", time_unit="ms", strict=False
            ),
            ended=(part("uri").str.ends_with(" HTTP/1.1") | part("uri").str.ends_with(" HTTP/1.0"))
            & part("numbers").str.contains(_CLEAN_NUMBERS)
            & (part("gap") == " ")
            & (part("excess") == "")
            & ~part("agent").str.contains("HTTP/", literal=True),
            status=part("numbers").str.slice(1, 3).cast(pl.UInt16, strict=False),
            no_error=part("numbers").str.slice(4, 3) == _NO_ERROR,
            bytes_sent=part("bytes_text")
            .str.slice(0, part("bytes_text").str.find(" ", literal=True))
            .cast(pl.Int64, strict=False),
        )
        .with_columns(
            object_key=object_of(pl.col("key")),
            headed=pl.col("headed")
            & pl.col("timestamp").is_not_null()
            & (pl.col("ip_address") != "")
            & (pl.col("requester") != "")
            & (pl.col("request") != "")
            & (pl.col("key") != "")
            & (pl.col("beyond") == ""),
        )
        .with_columns(
            pl.when(~pl.col("headed").fill_null(False))
            .then(None)
            .when(pl.col("operation") != rules.operation)
            .then(
                pl.when(pl.col("operation").is_in(_FREQUENT_OPERATIONS)).then(
                    pl.lit("other_operation")
                )
            )
            .when(pl.col("object_key").is_null())
            .then(pl.lit("other_key"))
            .when(pl.col("ended") & ~pl.col("successful"))
            .then(pl.lit("unsuccessful"))
            .when(pl.col("ended") & pl.col("no_error") & (pl.col("bytes_sent") >= 0))
            .then(pl.lit("kept"))
            .alias("class")
        )
        .select(pl.col(name).cast(dtype) for name, dtype in READ.items())
        .collect()
    )


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
            timestamp=pl.col("time").str.to_datetime(TIME_FORMAT, time_unit="ms", strict=False),
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
            .then(pl.lit("empty"))
            .when(headless)
            .then(pl.lit("malformed"))
            .when(pl.col("operation") != rules.operation)
            .then(pl.lit("other_operation"))
            .when(pl.col("object_key").is_null())
            .then(pl.lit("other_key"))
            .when(pl.col("end").is_null() | pl.col("bytes_sent").is_null())
            .then(pl.lit("malformed"))
            .when(pl.col("successful"))
            .then(pl.lit("kept"))
            .otherwise(pl.lit("unsuccessful"))
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
        .then(pl.lit("excluded_ip"))
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
    if not content.isascii():
        content = content.decode("utf-8", "replace").encode()
    prefix = common_prefix(content[:_LONGEST_PREFIX].decode("utf-8", "replace"))
    clean = read_clean(content, rules, prefix)
    unread = clean.get_column("class").is_null()
    if not unread.any():
        return clean
    lines = pl.read_lines(content).with_row_index("row").filter(unread)
    return pl.concat([clean.filter(~unread), read_exact(lines.lazy(), rules).collect()]).sort("row")
