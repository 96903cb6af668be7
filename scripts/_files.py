"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from _log import UserError

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600
LOCK = ".lock"
AT_WORK = "at work"
TRIES_TO_HOLD = 5


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to, and move it there once the block has ended well.

    The folder is made if it is missing. When the block raises, nothing stays behind.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def keep_private(folder: Path) -> Path:
    """Make a folder that only its owner can open, or close one that stands open."""
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o777 != PRIVATE_FOLDER:
        folder.chmod(PRIVATE_FOLDER)
    return folder


def hold(folder: Path, planned: str | None = None) -> IO[str]:
    """Hold a folder for this process alone, for as long as what is returned stays open.

    The kernel lets go of it when the process ends, however it ends: there is no stale lock.

    Args:
        folder: What to hold; made if it is missing.
        planned: What `holder` said before this process looked at what is in the folder.

    Raises:
        UserError: Another process holds it, or has held it since then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / LOCK).open("a+")
    for left in reversed(range(TRIES_TO_HOLD)):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if not left:
                lock.close()
                raise UserError(
                    f"Another run is at work on {folder}. Wait until it has ended."
                ) from None
            time.sleep(0.1)  # A dry run holds it too, for a moment.
    lock.seek(0)
    if planned is not None and lock.read() != planned:
        lock.close()
        raise UserError(
            f"Another run was at work on {folder} while this one was planned. Start this one again."
        )
    lock.truncate(0)
    lock.write(secrets.token_hex(8))
    lock.flush()
    return lock


def holder(folder: Path) -> str:
    """Tell apart who held a folder last: a text for each; `AT_WORK` while it is held."""
    try:
        with (folder / LOCK).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return AT_WORK
            return lock.read()
    except FileNotFoundError:
        return ""


def sweep(root: Path, *below: str) -> None:
    """Delete what killed runs left half made in a folder and those below it that patterns name.

    What stood in a folder's place before is put back if the folder itself is not there.
    """
    for folder in (root, *(found for pattern in below for found in root.glob(pattern))):
        for path in folder.glob(".*.old"):
            mend(path.with_name(path.name.removeprefix(".").removesuffix(".old")))
        for end in ("part", "fresh"):
            for path in folder.glob(f".*.{end}"):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def made_once(path: Path, content: str) -> str:
    """The content of a private file, which is `content` if it had to be made.

    Several jobs may ask at once: a link is made by one of them only.
    """
    if not path.exists():
        beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(content + "\n")
        try:
            path.hardlink_to(beside)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
    return path.read_text(encoding="ascii").strip()


def read_json(path: Path) -> Any:
    """Read what a JSON file holds."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people and programs: two spaces, sorted keys, a final newline."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def swap(fresh: Path, folder: Path) -> None:
    """Put a fresh folder in the place of what stood there, which is deleted.

    Where the system can exchange two names at once, as Linux can, there is no moment without the
    folder. Elsewhere there is, and a kill then leaves none until `mend` is called.
    """
    mend(folder)
    old = _old(folder)
    if not folder.exists():
        fresh.rename(folder)
    elif exchange(fresh, folder):
        fresh.rename(old)
    else:
        folder.rename(old)
        fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def mend(folder: Path) -> None:
    """Put back, or away, what a killed `swap` left beside a folder."""
    old = _old(folder)
    if old.exists() and not folder.exists():
        old.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


AT_FDCWD = -100
RENAME_EXCHANGE = 2
CANNOT_EXCHANGE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


def exchange(one: Path, other: Path) -> bool:
    """Let two paths change names at once; say whether the system and its file system can.

    Raises:
        OSError: They can, but these two cannot be exchanged.
    """
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    names = (os.fsencode(one), os.fsencode(other))
    if not renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE):
        return True
    number = ctypes.get_errno()
    if number in CANNOT_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))
