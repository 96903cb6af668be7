"""Lines of the common shape, read by a loop that Numba compiles: an archive has billions of them.

A line is clean when its fields stand where AWS says, none of them but referer and user agent with a
space in it, and when its URI ends in a protocol, with no other one behind it. Then its numbers are
the first that end a request-URI: earlier ones would take its total time for the start of a referer.
As soon as anything about a line is unusual it is `ODD`, and left to the exact reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
from _compiling import compiled, inlined, loading
from nanoarrow import c_array_from_buffers, large_string
from numba import types
from numba.core.typing import signature

OTHER_OPERATION, OTHER_KEY, UNSUCCESSFUL, KEPT, ODD = range(5)
"""What a line may be. Whether its address is excluded is not looked at here."""

LINES_AT_ONCE = 1 << 18
LONGEST = 1 << 16
"""Bytes of a line; a longer one is odd."""
_BYTES_OF_TEXT = 64
"""Of an address or a key; where they are longer, fewer lines are read at once."""
_BYTES_OF_ODD_LINES = 16 << 20
"""So many of them are in memory at once at most, and those of a last piece of the contents."""

_ODD_LINE = np.dtype([("row", np.uint32), ("begin", np.int64), ("end", np.int64)])
_REQUEST = np.dtype(
    [
        ("row", np.uint32),
        ("timestamp", np.int64),
        ("bytes_sent", np.int64),
        ("status", np.uint16),
    ]
)


class Clean(NamedTuple):
    """What the loop makes of some lines.

    Attributes:
        kinds: What each line is.
        requests: `row`, `timestamp`, `ip_address`, `object_key`, `bytes_sent`, `status` of each
            clean line of the operation that is kept; the last three only mean something in a line
            of the kind `KEPT`.
        odd: Row and bytes of each odd line.
    """

    kinds: pl.Series
    requests: pl.DataFrame
    odd: list[tuple[int, bytes]]


class _Texts(NamedTuple):
    """Texts as Arrow keeps them.

    Attributes:
        content: All of them, one behind the other.
        ends: Where in it each ends, behind a first entry of 0.
    """

    content: np.ndarray
    ends: np.ndarray

    @classmethod
    def empty(cls) -> _Texts:
        """Room for those of a batch."""
        content = np.empty(LINES_AT_ONCE * _BYTES_OF_TEXT + LONGEST, np.uint8)
        ends = np.empty(LINES_AT_ONCE + 1, np.int64)
        ends[0] = 0
        return cls(content, ends)

    def series(self, count: int) -> pl.Series:
        """The first texts. They are not copied."""
        ends = self.ends[: count + 1]
        buffers = [None, ends, self.content[: ends[-1]]]
        return pl.Series(c_array_from_buffers(large_string(), count, buffers, null_count=0))


class _Batch(NamedTuple):
    """Lines that are looked at together.

    Attributes:
        counts: How many lines there are, how many of them are requests, and how many odd.
        kinds: What each line is.
        requests: `_REQUEST` for each that is one.
        addresses: Of the requests.
        keys: Of the requests; empty for those that are not kept.
        odd: `_ODD_LINE` for each that is odd, with its place in the text that was scanned last.
    """

    counts: np.ndarray
    kinds: np.ndarray
    requests: np.ndarray
    addresses: _Texts
    keys: _Texts
    odd: np.ndarray

    @classmethod
    def empty(cls) -> _Batch:
        """Room for a batch."""
        return cls(
            np.zeros(3, np.int64),
            np.empty(LINES_AT_ONCE, np.uint8),
            np.empty(LINES_AT_ONCE, _REQUEST),
            _Texts.empty(),
            _Texts.empty(),
            np.empty(LINES_AT_ONCE, _ODD_LINE),
        )


def read_clean(contents: Iterable[bytes], operation: str) -> Iterator[Clean]:
    """Read the clean lines, about `LINES_AT_ONCE` lines at a time.

    Args:
        contents: Whole lines each; the last one may lack its newline.
        operation: That whose requests are kept.
    """
    wanted = np.frombuffer(operation.encode(), np.uint8)
    batch, odd, size_of_odd = _Batch.empty(), [], 0
    for content in contents:
        text, at = np.frombuffer(content, np.uint8), 0
        while at < len(content):
            at = _scan(text, at, wanted, batch)
            found = batch.odd[len(odd) : batch.counts[2]].tolist()
            odd += [(row, content[begin:end]) for row, begin, end in found]
            size_of_odd += sum(end - begin for _, begin, end in found)
            if at < len(content) or size_of_odd > _BYTES_OF_ODD_LINES:
                yield _taken(batch, odd)
                batch, odd, size_of_odd = _Batch.empty(), [], 0
    yield _taken(batch, odd)


def _taken(batch: _Batch, odd: list[tuple[int, bytes]]) -> Clean:
    lines, count, _ = batch.counts
    requests = pl.DataFrame(batch.requests[:count]).with_columns(
        pl.col("timestamp").cast(pl.Datetime("ms", "UTC")),
        ip_address=batch.addresses.series(count),
        object_key=batch.keys.series(count),
    )
    return Clean(pl.Series(batch.kinds[:lines]), requests, odd)


# --- What is compiled ----------------------------------------------------------------------------

_memchr = types.ExternalFunction(
    "memchr", signature(types.intp, types.intp, types.int32, types.intp)
)
_MONTHS = np.frombuffer(b"JanFebMarAprMayJunJulAugSepOctNovDec", np.uint8)
_DAYS_BEFORE = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365])
"""The days of a year before each month, no leap year."""
_DAYS_BEFORE_1970 = 719_162
"""From the first day of the year 1 on."""
_BLOBS, _ZARR, _HTTP = (np.frombuffer(text, np.uint8) for text in (b"blobs/", b"zarr/", b"HTTP/"))
_OPERATIONS = tuple(
    np.frombuffer(text, np.uint8) for text in (b"REST.", b"WEBSITE.", b"S3.", b"BATCH.", b"SOAP.")
)
_SPACE, _NEWLINE, _QUOTE, _DASH, _DOT, _SLASH, _COLON, _PLUS = map(ord, ' \n"-./:+')
_OPEN, _CLOSE, _UNDERSCORE, _P, _ZERO, _DELETE = map(ord, "[]_P0\x7f")
_NO_TIME = np.iinfo(np.int64).min
_WORD = 8


@inlined
def _find(block: int, byte: int, at: int, end: int) -> int:
    """Where a byte stands first from `at` on, or `end`. `block` is the address of the text."""
    found = _memchr(block + at, byte, end - at)
    return found - block if found else end


@inlined
def _next_field(block: int, at: int, end: int) -> int:
    """Where the field behind this one begins, which itself ends one before; `end + 1` if none does.

    So the last field of a line ends at `end`, like any other.
    """
    return _find(block, _SPACE, at, end) + 1 if at < end else end + 1


@inlined
def _byte(text: np.ndarray, at: int) -> int:
    """A byte. That no place is negative Numba need not look at each time."""
    return text[np.uint64(at)]


@inlined
def _word(text: np.ndarray, at: int) -> int:
    """Eight bytes as one number, which is one step for a processor."""
    first, word = np.uint64(at), np.uint64(0)
    for i in range(np.uint64(_WORD)):
        word |= np.uint64(text[first + i]) << (i << np.uint64(3))
    return word


@inlined
def _is_digit(byte: int) -> bool:
    return _ZERO <= byte < _ZERO + 10


@inlined
def _starts_with(text: np.ndarray, at: int, end: int, start: np.ndarray) -> bool:
    if end - at < len(start):
        return False
    same = 0
    while same < len(start) and _byte(text, at + same) == start[same]:
        same += 1
    return same == len(start)


@inlined
def _has_odd_byte(word: int) -> bool:
    """Whether one of eight bytes is a space, a control character, or none of ASCII."""
    ones = np.uint64(0x0101010101010101)
    low = (word - ones * np.uint64(_SPACE + 1)) & ~word
    high = (word + ones * np.uint64(0x80 - _DELETE)) | word
    return ((low | high) & (ones * np.uint64(0x80))) != np.uint64(0)


@inlined
def _is_plain(text: np.ndarray, at: int, end: int) -> bool:
    """Whether a text is of letters, digits and signs of ASCII alone, one at least."""
    if end - at < _WORD:
        for i in range(at, end):
            if not _SPACE < _byte(text, i) < _DELETE:
                return False
        return at < end
    for i in range(at, end - _WORD, _WORD):
        if _has_odd_byte(_word(text, i)):
            return False
    return not _has_odd_byte(_word(text, end - _WORD))


@inlined
def _is_operation(text: np.ndarray, at: int, end: int) -> bool:
    name = at
    for start in _OPERATIONS:
        if _starts_with(text, at, end, start):
            name = at + len(start)
    for i in range(name, end):
        byte = _byte(text, i)
        is_letter = 65 <= byte <= 90 or 97 <= byte <= 122
        if not (is_letter or _is_digit(byte) or byte in (_DOT, _UNDERSCORE)):
            return False
    return at < name < end


@inlined
def _number(text: np.ndarray, at: int, end: int) -> int:
    """The number that a text is; -1 where it is none."""
    number = 0
    for i in range(at, end):
        if not _is_digit(_byte(text, i)):
            return -1
        number = number * 10 + _byte(text, i) - _ZERO
    return number


@inlined
def _read_number(text: np.ndarray, at: int, end: int) -> tuple[int, int]:
    """The number that is a field, and where the next one begins; -1 for no number that fits."""
    number, behind = 0, at
    while behind < end and _is_digit(_byte(text, behind)):
        number = number * 10 + _byte(text, behind) - _ZERO
        behind += 1
    if not (0 < behind - at <= 18 and behind < end and _byte(text, behind) == _SPACE):
        return -1, end
    return number, behind + 1


@inlined
def _is_dash(text: np.ndarray, at: int, end: int) -> bool:
    """Whether a field is `-`, and another one follows."""
    return at + 1 < end and _byte(text, at) == _DASH and _byte(text, at + 1) == _SPACE


@inlined
def _read_number_or_dash(text: np.ndarray, at: int, end: int) -> tuple[int, int]:
    """The same as of a number; 0 for `-`."""
    if _is_dash(text, at, end):
        return 0, at + 2
    return _read_number(text, at, end)


@inlined
def _time(text: np.ndarray, at: int) -> int:
    """`[01/May/2022:05:06:35 +0000]` as milliseconds since 1970; `_NO_TIME` for anything else."""
    if not (
        _byte(text, at) == _OPEN
        and _byte(text, at + 3) == _byte(text, at + 7) == _SLASH
        and _byte(text, at + 12) == _byte(text, at + 15) == _byte(text, at + 18) == _COLON
        and _byte(text, at + 21) == _SPACE
        and _byte(text, at + 22) == _PLUS
        and _byte(text, at + 27) == _CLOSE
    ):
        return _NO_TIME
    day, year = _number(text, at + 1, at + 3), _number(text, at + 8, at + 12)
    hour, minute = _number(text, at + 13, at + 15), _number(text, at + 16, at + 18)
    second, zone = _number(text, at + 19, at + 21), _number(text, at + 23, at + 27)
    month = 0
    while month < 12 and not (
        _byte(text, at + 4) == _MONTHS[3 * month]
        and _byte(text, at + 5) == _MONTHS[3 * month + 1]
        and _byte(text, at + 6) == _MONTHS[3 * month + 2]
    ):
        month += 1
    if month == 12 or year < 1 or zone != 0:
        return _NO_TIME
    is_leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    length = _DAYS_BEFORE[month + 1] - _DAYS_BEFORE[month] + (is_leap and month == 1)
    if not (1 <= day <= length and 0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        return _NO_TIME
    past = year - 1
    days = past * 365 + past // 4 - past // 100 + past // 400 - _DAYS_BEFORE_1970
    days += _DAYS_BEFORE[month] + (is_leap and month > 1) + day - 1
    return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000


@inlined
def _is_protocol(text: np.ndarray, at: int, end: int) -> bool:
    """Whether a text is `HTTP/1.1"`, or of another version, with its quote."""
    if not (_starts_with(text, at, end, _HTTP) and _byte(text, end - 1) == _QUOTE):
        return False
    version, quote, dot = at + len(_HTTP), end - 1, -1
    for i in range(version, quote):
        if _byte(text, i) == _DOT and dot < 0:
            dot = i
        elif not _is_digit(_byte(text, i)):
            return False
    return version < quote and dot != version and dot != quote - 1


@inlined
def _has_protocol(block: int, text: np.ndarray, at: int, end: int) -> bool:
    """Whether a protocol begins behind a space somewhere in a text; `at` is behind a space."""
    # The P of ` HTTP/` is the rarest of its letters in what stands there.
    at = _find(block, _P, at, end)
    while at < end:
        if _byte(text, at - 4) == _SPACE and _starts_with(text, at - 3, end, _HTTP):
            return True
        at = _find(block, _P, at + 1, end)
    return False


@inlined
def _end_of_object(block: int, text: np.ndarray, key: int, end: int) -> int:
    """Where in a key its object ends: of a Zarr store behind the id. -1 if it names no object."""
    if _byte(text, end - 1) == _SLASH:
        return -1
    if _starts_with(text, key, end, _BLOBS):
        return end
    if _starts_with(text, key, end, _ZARR):
        id_end = _find(block, _SLASH, key + len(_ZARR), end)
        return id_end if id_end > key + len(_ZARR) else -1
    return -1


@inlined
def _put(text: np.ndarray, at: int, end: int, texts: _Texts, n: int) -> None:
    """Put a text behind the others, as number `n`."""
    place = texts.ends[n]
    for i in range(end - at):
        texts.content[np.uint64(place + i)] = _byte(text, at + i)
    texts.ends[n + 1] = place + end - at


@inlined
def _read_numbers(
    block: int, text: np.ndarray, at: int, end: int, request: np.ndarray, n: int
) -> int:
    """Read what stands behind a key, and note status and bytes sent. The kind of the line.

    `"GET /key HTTP/1.1" 200 - 1443 1443 35 34 "-"`, where all but status and total time may be `-`.
    """
    path = _next_field(block, at, end)
    protocol = _next_field(block, path, end)
    status = _next_field(block, protocol, end)
    if not (
        status < end and _byte(text, at) == _QUOTE and _is_protocol(text, protocol, status - 1)
    ):
        return ODD
    code, error = _read_number(text, status, end)
    behind = _next_field(block, error, end)
    size, behind = _read_number_or_dash(text, behind, end)
    object_size, behind = _read_number_or_dash(text, behind, end)
    total_ms, behind = _read_number(text, behind, end)
    turn_around_ms, referer = _read_number_or_dash(text, behind, end)
    if (
        min(code, size, object_size, total_ms, turn_around_ms) < 0
        or error - status != 4
        or _byte(text, error) == _SPACE
        or referer >= end
        or (_byte(text, referer) != _QUOTE and _byte(text, referer) != _DASH)
        or _has_protocol(block, text, referer, end)
    ):
        return ODD
    request[n].bytes_sent = size
    request[n].status = code
    return KEPT if 200 <= code < 300 else UNSUCCESSFUL


@inlined
def _behind_requester(block: int, text: np.ndarray, at: int, end: int) -> int:
    """Where the field behind a requester begins; `end + 1` if that is odd."""
    if _is_dash(text, at, end):
        return at + 2
    behind = _next_field(block, at, end)
    is_odd = behind > end or behind == at + 1 or _find(block, _QUOTE, at, behind) < behind
    return end + 1 if is_odd else behind


@inlined
def _read_line(
    block: int, text: np.ndarray, at: int, end: int, operation: np.ndarray, batch: _Batch
) -> int:
    """Read a line, and add it to the batch if it is a request. Its kind."""
    bucket = _next_field(block, at, end)
    time = _next_field(block, bucket, end)
    address = time + 29
    requester = _next_field(block, address, end)
    request_id = _behind_requester(block, text, requester, end)
    asked = _next_field(block, request_id, end)
    key = _next_field(block, asked, end)
    if key >= end:
        return ODD
    behind = _next_field(block, key, end)
    timestamp = _time(text, time)
    if not (
        timestamp != _NO_TIME
        and _byte(text, address - 1) == _SPACE
        and _is_plain(text, address, requester - 1)
        and _is_plain(text, key, behind - 1)
    ):
        return ODD
    if key - 1 - asked != len(operation) or not _starts_with(text, asked, key, operation):
        return OTHER_OPERATION if _is_operation(text, asked, key - 1) else ODD

    n = batch.counts[1]
    kind, object_end = OTHER_KEY, _end_of_object(block, text, key, behind - 1)
    if object_end >= 0:
        kind = _read_numbers(block, text, behind, end, batch.requests, n)
    if kind == ODD:
        return ODD
    batch.requests[n].row = batch.counts[0]
    batch.requests[n].timestamp = timestamp
    _put(text, address, requester - 1, batch.addresses, n)
    _put(text, key, object_end if kind == KEPT else key, batch.keys, n)
    batch.counts[1] += 1
    return kind


@inlined
def _has_room(texts: _Texts, count: int) -> bool:
    """Whether a text of any line has room."""
    return texts.ends[count] + LONGEST <= len(texts.content)


@compiled
def _scan(text: np.ndarray, at: int, operation: np.ndarray, batch: _Batch) -> int:
    """Add the lines of a text from `at` on to a batch until it is full. Where the next one begins.

    Args:
        text: Whole lines; the last one may lack its newline.
        at: Where a line begins.
        operation: That whose requests are kept.
        batch: `_Batch`.
    """
    block = np.int64(text.ctypes.data)
    while (
        at < len(text)
        and batch.counts[0] < len(batch.kinds)
        and _has_room(batch.addresses, batch.counts[1])
        and _has_room(batch.keys, batch.counts[1])
    ):
        end = _find(block, _NEWLINE, at, len(text))
        kind = ODD
        if end - at <= LONGEST:
            kind = _read_line(block, text, at, end, operation, batch)
        row = batch.counts[0]
        batch.kinds[row] = kind
        batch.counts[0] += 1
        if kind == ODD:
            batch.odd[batch.counts[2]].row = row
            batch.odd[batch.counts[2]].begin = at
            batch.odd[batch.counts[2]].end = end
            batch.counts[2] += 1
        at = end + 1
    return at


with loading():
    _scan(np.frombuffer(b"\n", np.uint8), 0, np.frombuffer(b" ", np.uint8), _Batch.empty())
