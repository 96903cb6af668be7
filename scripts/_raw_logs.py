"""Raw logs as they lie on disk: which days there are, and their bytes in blocks of whole lines."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import NamedTuple, Protocol

import zstandard
from _log import UserError

BLOCK_BYTES = 1 << 20
"""How much of a day is read at once: little enough to stay in a processor's cache."""

_BLOCKS_AHEAD = 64
"""So many are decompressed while others are at work, which is done some hundred at a time."""
_SEARCHED_BYTES = 1 << 12
_PIECE_BYTES = 1 << 20
_COMPRESSED = (".gz", ".zst")
_DAY = re.compile(r"([0-9]{2})(|\.log|\.log\.gz|\.log\.zst)")


class Day(NamedTuple):
    """A day by the names of its folders and file: `2022`, `05`, `01`."""

    year: str
    month: str
    day: str

    @classmethod
    def parse(cls, year: str, month: str, day: str) -> Day | None:
        """The day of these names, or None if they are no date."""
        if not (re.fullmatch("[0-9]{4}", year) and re.fullmatch("[0-9]{2}", month)):
            return None
        try:
            date(int(year), int(month), int(day))
        except ValueError:
            return None
        return cls(year, month, day)

    def __str__(self) -> str:
        return "/".join(self)


def named_day(year: str, month: str, name: str, *, is_folder: bool) -> Day | None:
    """The day whose file or folder has this name in a month's folder; None if it is no day's."""
    found = _DAY.fullmatch(name)
    if not found or (found[2] == "") != is_folder:
        return None
    return Day.parse(year, month, found[1])


def find_days(folder: Path) -> tuple[dict[Day, Path], list[Path]]:
    """Find the days below a folder of raw logs.

    Returns:
        Each day's file or folder, in order of time, and what stands where a day would stand but
        has a name that is no date.

    Raises:
        UserError: A day is there twice, as `01.log` and `01.log.gz` for example.
    """
    days: dict[Day, Path] = {}
    strays: list[Path] = []
    for year in _visible(folder):
        for month in _visible(year) if year.is_dir() else ():
            for path in _visible(month) if month.is_dir() else ():
                day = named_day(year.name, month.name, path.name, is_folder=path.is_dir())
                if day is None:
                    strays.append(path)
                elif day in days:
                    raise UserError(
                        f"{days[day]} and {path} are the same day. Leave one of them in the folder."
                    )
                else:
                    days[day] = path
    return dict(sorted(days.items())), strays


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def files_of_day(path: Path) -> list[Path]:
    """A day's own file, or the files of its folder in the order of their names."""
    return [file for file in _visible(path) if file.is_file()] if path.is_dir() else [path]


class Block(NamedTuple):
    """Some whole lines of a file.

    Attributes:
        file: Where they stand.
        content: Their bytes; only the last line of a file may lack its newline.
    """

    file: Path
    content: bytes


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


def blocks(path: Path, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """Read a day in blocks of about `size` bytes that end where a line ends.

    Raises:
        UserError: A file cannot be read or decompressed to its end, or changed while it was read.
    """
    for file in files_of_day(path):
        with _told_of(file):
            before = _state(file)
            with file.open("rb", buffering=0) as raw:
                if file.suffix in _COMPRESSED:
                    with _decompressed(file, raw) as source:
                        yield from _ahead(_blocks_of_stream(file, source, size))
                else:
                    yield from _blocks_of_plain(file, raw.fileno(), size)
            if _state(file) != before:
                raise UserError(f"{file} changed while it was read. Run again once it is complete.")


def _ahead(blocks: Iterator[Block]) -> Iterator[Block]:
    """The same blocks, of which the next ones are decompressed while the last one is at work."""
    with ThreadPoolExecutor(1) as reader:
        coming = deque(reader.submit(next, blocks, None) for _ in range(_BLOCKS_AHEAD))
        while block := coming.popleft().result():
            coming.append(reader.submit(next, blocks, None))
            yield block


def _state(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def _blocks_of_stream(file: Path, source: _Source, size: int) -> Iterator[Block]:
    """Cut what a source gives into blocks; what follows the last line end goes to the next one."""
    pieces, filled = [], 0
    while piece := source.read(_PIECE_BYTES):
        filled += len(piece)
        end = piece.rfind(b"\n") + 1 if filled >= size else 0
        if end:
            yield Block(file, b"".join((*pieces, memoryview(piece)[:end])))
            pieces, filled = [piece[end:]], len(piece) - end
        else:
            pieces.append(piece)
    if rest := b"".join(pieces):
        yield Block(file, rest)


def _blocks_of_plain(file: Path, descriptor: int, size: int) -> Iterator[Block]:
    """Read a file that is not compressed. A block is copied once: where it ends is seen before."""
    start, total = 0, os.fstat(descriptor).st_size
    while start < total:
        end = _line_end(descriptor, start, min(start + size, total), total)
        yield Block(file, os.pread(descriptor, end - start, start))
        start = end


def _line_end(descriptor: int, start: int, wanted: int, total: int) -> int:
    """The end of the last line that ends before `wanted`, else of the first that ends behind it."""
    at = wanted
    while at > start and wanted < total:
        before = max(start, at - _SEARCHED_BYTES)
        found = os.pread(descriptor, at - before, before).rfind(b"\n")
        if found >= 0:
            return before + found + 1
        at = before
    at = wanted
    while at < total:
        piece = os.pread(descriptor, _SEARCHED_BYTES, at)
        found = piece.find(b"\n")
        if found >= 0 or not piece:
            return at + found + 1
        at += len(piece)
    return total


@contextmanager
def _told_of(file: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{file} vanished while the day was read. Run again.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise UserError(
            f"{file} cannot be decompressed to its end ({error}). Fetch it again."
        ) from None
    except OSError as error:
        raise UserError(
            f"{file} cannot be read: {error.strerror}. Mend that and run again."
        ) from None


@contextmanager
def _decompressed(file: Path, raw: io.RawIOBase) -> Iterator[_Source]:
    if not os.fstat(raw.fileno()).st_size:
        raise EOFError("it is empty")
    if file.suffix == ".gz":
        with gzip.GzipFile(fileobj=io.BufferedReader(raw, 1 << 20)) as source:
            yield source
    else:
        yield _ZstdFrames(raw)


class _ZstdFrames:
    """The content of all Zstandard frames of a file.

    The package's own reader ends without a word where a file is cut off in the middle of a frame.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._compressed = b""
        self._inside = False

    def read(self, size: int, /) -> bytes:
        """Some more of the content, perhaps more or less than `size`; nothing at the end."""
        content = b""
        while not content:
            if not self._compressed:
                self._compressed = self._raw.read(size >> 3) or b""
            if not self._compressed:
                if self._inside:
                    raise EOFError("it ends in the middle of a frame")
                return b""
            self._inside = True
            content = self._frame.decompress(self._compressed)
            self._compressed = b""
            if self._frame.eof:
                self._compressed = self._frame.unused_data
                self._frame = zstandard.ZstdDecompressor().decompressobj()
                self._inside = False
        return content


def newest_file(path: Path) -> Path:
    """The file of a day that changed last."""
    return max(files_of_day(path), key=lambda file: file.stat().st_mtime_ns, default=path)


def size_of(path: Path) -> int:
    """The bytes of a day on disk.

    Raises:
        UserError: It vanished, or cannot be read.
    """
    with _told_of(path):
        return sum(file.stat().st_size for file in files_of_day(path))


def fingerprint(path: Path) -> str:
    """A text that changes when a file of a day comes, goes, or has another size or time.

    Times are taken in whole seconds, for some file systems and copies keep no more of them.
    """
    status = [(file.name, file.stat()) for file in files_of_day(path)]
    files = [(name, stat.st_size, int(stat.st_mtime)) for name, stat in status]
    return hashlib.sha256(repr(files).encode()).hexdigest()[:16]
