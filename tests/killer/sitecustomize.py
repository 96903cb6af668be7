"""Kill a run before the n-th time that it changes a file: Python imports this where it is found.

tests/faults.py puts this folder on PYTHONPATH, so that all processes of a run count together. What
counts is what Python does to names and files below a folder: to open for writing, to rename, to
link, to remove, to make a folder, to change a mode. The hook is asked before it is done.
"""

import os
import signal
import sys

_FOLDER = os.environ.get("KILLER_FOLDER")
_COUNT = os.environ.get("KILLER_COUNT", "")
_MOMENT = int(os.environ.get("KILLER_MOMENT", "0"))
_SIGNAL = int(os.environ.get("KILLER_SIGNAL", signal.SIGKILL))
_CHANGES = {
    "os.chmod",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.truncate",
    "os.utime",
}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _is_below(path: object) -> bool:
    if not isinstance(path, str | bytes | os.PathLike):
        return False
    return os.path.abspath(os.fsdecode(path)).startswith(f"{_FOLDER}/")  # noqa: PTH100


def _hook(event: str, arguments: tuple) -> None:
    if event == "open":
        path, _, flags = arguments
        if not (isinstance(flags, int) and flags & _WRITES and _is_below(path)):
            return
    elif event not in _CHANGES or not _is_below(arguments[0]):
        return
    os.write(_COUNTER, b".")
    # Two processes may count at once, and none of them see the very moment; a signal comes once.
    if 0 < _MOMENT <= os.fstat(_COUNTER).st_size and _is_first():
        os.killpg(0, _SIGNAL)


def _is_first() -> bool:
    try:
        os.close(os.open(f"{_COUNT}.killed", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


if _FOLDER:
    _COUNTER = os.open(_COUNT, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.addaudithook(_hook)
