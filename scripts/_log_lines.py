"""The grammar of an S3 server access log line, as Polars expressions.

Source of the rules: AWS, "Amazon S3 server access log format", and lines that the archive's bucket
really got (docs/log-lines.md). Two readings stand side by side and must agree on every line:

- `read_clean` of `_clean_lines` takes lines of the common shape, in a compiled loop, and leaves a
  line alone as soon as anything about it is unusual.
- `read_exact` takes what is left, with regular expressions, and decides.

A line belongs to the first class that applies: empty, malformed (no time, address, operation and
key), other_operation, excluded_ip, other_key, malformed (no status and bytes), unsuccessful, kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl
from _addresses import Networks, unlabelled
from _numbers import Numbers

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
ACCOUNTS = pl.Schema({"date": pl.String, "lines": pl.Int64, **dict.fromkeys(CLASSES, pl.Int64)})
"""The accounts of days: all lines of each, and those of each class."""
CLASSES_OF_KINDS = pl.Series(
    "class", ["other_operation", "other_key", "unsuccessful", "kept", None], CLASS
)
"""The classes of the kinds of lines that `_clean_lines` tells apart."""

READ = {
    "row": pl.UInt32,
    "class": CLASS,
    "timestamp": pl.Datetime("ms", "UTC"),
    "ip_address": pl.String,
    "object_key": pl.String,
    "bytes_sent": pl.Int64,
    "status": pl.UInt16,
}
"""Columns of a reading: the line's number in it, its class, and what a kept line says.
The values of a line of another class mean nothing."""

_TIME = r"[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-5][0-9] [+-][0-9]{4}"
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


class Excluded:
    """Addresses and CIDR blocks. Each address that is asked about is looked up once."""

    def __init__(self, blocks: Iterable[str] = ()) -> None:
        self._networks = Networks(unlabelled(blocks))
        self._numbers = Numbers()
        self._answers = pl.Series(dtype=pl.Boolean)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def holds(self, addresses: pl.Series) -> pl.Series:
        """Whether an address, as logged, is one of them; null of null."""
        numbers = self._numbers.of(addresses)
        new = self._numbers.texts()[len(self._answers) :]
        answers = [text in self._networks for text in new]
        self._answers = pl.concat([self._answers, pl.Series(answers, dtype=pl.Boolean)])
        return self._answers.gather(numbers)


@dataclass(frozen=True)
class Rules:
    """What makes a line of the grammar count.

    Attributes:
        operation: The operation whose requests are kept, such as `REST.GET.OBJECT`.
        excluded: The addresses whose requests are left out.
    """

    operation: str = "REST.GET.OBJECT"
    excluded: Excluded = field(default_factory=Excluded)


class Reading(NamedTuple):
    """What some lines say.

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
    """Whether addresses, as logged, are excluded."""
    if not rules.excluded:
        return pl.lit(False)
    return address.map_batches(rules.excluded.holds, pl.Boolean)


def read(contents: Iterable[bytes], rules: Rules, *, compiled: bool = True) -> Iterator[Reading]:
    """Read lines, many at a time: the clean ones fast, the others exactly.

    What is no UTF-8 becomes U+FFFD: it can only stand where nothing is read from, or in a key.

    Args:
        contents: Whole lines each; the last one of each may lack its newline.
        rules: What counts.
        compiled: Whether a compiled loop reads the clean lines. That is many times as fast, but the
            loop takes a third of a second to load.
    """
    if not compiled:
        for content in contents:
            lines = list(enumerate(content.removesuffix(b"\n").split(b"\n"))) if content else []
            unread = pl.Series([None] * len(lines), dtype=CLASS)
            yield with_others(unread, pl.DataFrame(schema=READ), lines, rules)
        return

    from _clean_lines import read_clean

    for clean in read_clean(contents, rules.operation):
        classes = CLASSES_OF_KINDS.gather(clean.kinds)
        excluded = clean.requests.filter(is_excluded(pl.col("ip_address"), rules))["row"]
        classes = classes.scatter(excluded, "excluded_ip")
        requests = clean.requests.with_columns(classes.gather(clean.requests["row"]))
        kept = requests.filter(pl.col("class") == "kept").select(READ.keys())
        yield with_others(classes, kept, clean.odd, rules)


def with_others(
    classes: pl.Series, kept: pl.DataFrame, lines: list[tuple[int, bytes]], rules: Rules
) -> Reading:
    """A reading of clean lines, and of others that are read exactly.

    Args:
        classes: The class of each line, null where it is one of the others.
        kept: The columns of `READ`, of the clean lines that are kept.
        lines: Row and bytes of each of the others.
        rules: What counts.
    """
    if not lines:
        return Reading(classes, kept, [])
    rows = [row for row, _ in lines]
    texts = [line.decode("utf-8", "replace") for _, line in lines]
    schema = {"row": pl.UInt32, "line": pl.String}
    exact = read_exact(pl.LazyFrame([rows, texts], schema), rules).collect()
    others = exact.filter(pl.col("class") == "kept")
    return Reading(
        classes.scatter(rows, exact["class"]),
        pl.concat([kept, others]).sort("row"),
        [lines[place] for place in (exact["class"] == "malformed").arg_true()],
    )
