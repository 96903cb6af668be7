"""Numbers in place of texts, given out by loops that Numba compiles: for texts by the million.

Parquet keeps a text that comes up often once in a part of a file, and Polars then has many views of
the same bytes. So views are told apart first, which takes no look at a text; then the texts of
those that differ are looked up, in a table of hashes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
from _compiling import compiled, inlined, loading
from nanoarrow import c_array_from_buffers, c_array_stream, large_string

_ROOM = 1 << 12
"""For so many texts at first, and so many bytes."""


class TextNumbers:
    """Texts and their numbers, given out in the order in which the texts come up."""

    def __init__(self) -> None:
        self._known = _Known(
            np.zeros(1, np.int64),
            np.zeros(2 * _ROOM, np.uint32),
            np.empty(_ROOM, np.uint64),
            np.zeros(_ROOM + 1, np.int64),
            np.empty(_ROOM, np.uint8),
        )

    def __len__(self) -> int:
        return int(self._known.count[0])

    def of(self, texts: pl.Series) -> np.ndarray:
        """The number of each text; there are no nulls among them."""
        numbers = np.empty(len(texts), np.uint32)
        at = 0
        for views, content, begins in _parts(texts):
            part = numbers[at : at + len(views)]
            table = np.zeros(_size_of_table(len(views)), np.uint32)
            firsts = np.empty(len(views), np.uint32)
            count = _tell_apart(views, table, firsts, part)
            lengths = views[firsts[:count], 0] & np.uint64(_LENGTH)
            self._make_room(count, int(lengths.sum()))
            found = np.empty(count, np.uint32)
            _find(
                views, views.reshape(-1).view(np.uint8), content, begins, firsts, self._known, found
            )
            _look_up(part, found)
            at += len(views)
        return numbers

    def texts(self) -> pl.Series:
        """The texts in the order of their numbers."""
        ends = self._known.ends[: len(self) + 1]
        content = self._known.content[: ends[-1]]
        texts = c_array_from_buffers(large_string(), len(self), [None, ends, content], null_count=0)
        return pl.Series(texts)

    def _make_room(self, texts: int, size: int) -> None:
        """See that as many more texts have room, of as many bytes together."""
        known, count = self._known, len(self) + texts
        hashes, ends = _grown(known.hashes, count), _grown(known.ends, count + 1)
        content = _grown(known.content, int(known.ends[len(self)]) + size)
        table = known.table
        if len(table) < 2 * count:
            table = np.zeros(_size_of_table(2 * count), np.uint32)
            _place(hashes[: len(self)], table)
        self._known = _Known(known.count, table, hashes, ends, content)


class _Known(NamedTuple):
    """The texts that have a number.

    Attributes:
        count: How many there are, in an array of its own.
        table: At the place that a hash points to, or the first free one behind it, the number of
            its text and one more; 0 where none is. Its length is a power of two.
        hashes: By number.
        ends: Where each text ends in `content`, behind a first entry of 0.
        content: The texts, one behind the other.
    """

    count: np.ndarray
    table: np.ndarray
    hashes: np.ndarray
    ends: np.ndarray
    content: np.ndarray


def _size_of_table(count: int) -> int:
    """A power of two, at least twice as many."""
    return 1 << (2 * count).bit_length()


def _grown(array: np.ndarray, size: int) -> np.ndarray:
    """An array with room for so many entries, twice as many as it had if it has to grow."""
    if len(array) >= size:
        return array
    grown = np.empty(max(size, 2 * len(array)), array.dtype)
    grown[: len(array)] = array
    return grown


def _parts(texts: pl.Series) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Texts as Arrow has them, part by part.

    Yields:
        views: Two numbers a text, the same for texts that stand in the same place. A text of up to
            12 bytes stands in its view.
        content: The bytes of the longer ones.
        begins: Where each buffer that a view may name begins there.
    """
    for array in c_array_stream(texts):
        buffers = array.view()
        views = np.frombuffer(buffers.buffer(1), np.uint64).reshape(-1, 2)
        contents = [
            np.frombuffer(buffers.buffer(i), np.uint8) for i in range(2, array.n_buffers - 1)
        ]
        content = np.concatenate([*contents, np.empty(0, np.uint8)])
        begins = np.cumsum([0, *map(len, contents)])
        yield views[array.offset : array.offset + array.length], content, begins


# --- What is compiled ----------------------------------------------------------------------------

_LENGTH = 0xFFFFFFFF
_INLINE = 12
_WORD = 8
_MIX, _SPREAD = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


@inlined
def _mixed(first: int, second: int) -> int:
    mixed = (first ^ second * _MIX) * _SPREAD
    return mixed ^ mixed >> np.uint64(32)


@compiled
def _tell_apart(views: np.ndarray, table: np.ndarray, firsts: np.ndarray, codes: np.ndarray) -> int:
    """Number the views in the order in which they come up.

    Args:
        views: Two numbers each.
        table: Zeros, a power of two, more than there are views.
        firsts: Becomes the place of each number's first view.
        codes: Becomes the number of each view.

    Returns:
        How many there are.
    """
    last = np.uint64(len(table) - 1)
    count = 0
    for row in range(len(views)):
        low, high = views[row, 0], views[row, 1]
        slot = _mixed(low, high) & last
        code = np.int64(table[slot]) - 1
        while code >= 0 and not (views[firsts[code], 0] == low and views[firsts[code], 1] == high):
            slot = (slot + np.uint64(1)) & last
            code = np.int64(table[slot]) - 1
        if code < 0:
            code = count
            firsts[count] = row
            count += 1
            table[slot] = count
        codes[row] = code
    return count


@compiled
def _look_up(codes: np.ndarray, values: np.ndarray) -> None:
    """Put the value that a code stands for in its place."""
    for row in range(len(codes)):
        codes[row] = values[codes[row]]


@inlined
def _word(text: np.ndarray, at: int, length: int) -> int:
    """Some bytes as one number, eight at most: eight are one step for a processor."""
    first, word = np.uint64(at), np.uint64(0)
    for i in range(np.uint64(length)):
        word |= np.uint64(text[first + i]) << (i << np.uint64(3))
    return word


@inlined
def _hash(text: np.ndarray, at: int, length: int) -> int:
    hashed = np.uint64(length)
    if length < _WORD:
        return _mixed(hashed, _word(text, at, length))
    for i in range(0, length - _WORD, _WORD):
        hashed = _mixed(hashed, _word(text, at + i, _WORD))
    return _mixed(hashed, _word(text, at + length - _WORD, _WORD))


@inlined
def _is_same(text: np.ndarray, at: int, other: np.ndarray, begin: int, length: int) -> bool:
    if length < _WORD:
        return _word(text, at, length) == _word(other, begin, length)
    for i in range(0, length - _WORD, _WORD):
        if _word(text, at + i, _WORD) != _word(other, begin + i, _WORD):
            return False
    tail = length - _WORD
    return _word(text, at + tail, _WORD) == _word(other, begin + tail, _WORD)


@compiled
def _find(
    views: np.ndarray,
    bytes_of_views: np.ndarray,
    content: np.ndarray,
    begins: np.ndarray,
    rows: np.ndarray,
    known: _Known,
    found: np.ndarray,
) -> None:
    """Find the numbers of texts; those that have none get the next.

    Args:
        views: As `_parts` yields them.
        bytes_of_views: The same, byte by byte.
        content: As `_parts` yields it.
        begins: As `_parts` yields them.
        rows: Which texts: as many as `found` has room for.
        known: Has room for all of them.
        found: Becomes the number of each.
    """
    last = np.uint64(len(known.table) - 1)
    for i in range(len(found)):
        row = rows[i]
        length = np.int64(views[row, 0] & np.uint64(_LENGTH))
        text, at = bytes_of_views, np.int64(row) * 16 + 4
        if length > _INLINE:
            buffer = views[row, 1] & np.uint64(_LENGTH)
            text, at = content, begins[buffer] + np.int64(views[row, 1] >> np.uint64(32))
        hashed = _hash(text, at, length)
        slot = hashed & last
        number = np.int64(known.table[slot]) - 1
        while number >= 0 and not (
            known.hashes[number] == hashed
            and known.ends[number + 1] - known.ends[number] == length
            and _is_same(text, at, known.content, known.ends[number], length)
        ):
            slot = (slot + np.uint64(1)) & last
            number = np.int64(known.table[slot]) - 1
        if number < 0:
            number = known.count[0]
            known.count[0] += 1
            known.table[slot] = number + 1
            known.hashes[number] = hashed
            end = known.ends[number]
            for k in range(length):
                known.content[end + k] = text[np.uint64(at + k)]
            known.ends[number + 1] = end + length
        found[i] = number


@compiled
def _place(hashes: np.ndarray, table: np.ndarray) -> None:
    """Put the numbers of texts into a larger table, by their hashes."""
    last = np.uint64(len(table) - 1)
    for number in range(len(hashes)):
        slot = hashes[number] & last
        while table[slot] > 0:
            slot = (slot + np.uint64(1)) & last
        table[slot] = number + 1


# The first calls compile, or load what is kept.
with loading():
    _some = TextNumbers()
    _some.of(pl.Series(["", "more than what a view holds"]))
    _place(np.empty(0, np.uint64), np.zeros(1, np.uint32))
