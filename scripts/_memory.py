"""The allocator, told what suits reading a large file block by block."""

import ctypes
import logging

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_KEPT = 1 << 30

LARGEST = 32 << 20
"""Bytes of the largest block that is kept."""

log = logging.getLogger(__name__)


def keep_freed_memory() -> None:
    """Have glibc use freed blocks again instead of giving them back.

    A block of some megabytes is otherwise mapped anew each time, and the kernel has to clear every
    page of it: on virtual machines that costs more than reading a log. It takes one heap for all
    threads, and goes for blocks below `LARGEST`, the most that glibc documents. Other C libraries
    are left as they are.
    """
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_MMAP_THRESHOLD, LARGEST)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT)
    except (OSError, AttributeError):
        log.info("This C library has no mallopt; memory is managed as it likes.")
