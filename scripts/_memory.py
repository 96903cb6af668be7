"""The allocator, told what suits reading a large file block by block."""

import ctypes
import logging

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_LARGEST_MMAP_THRESHOLD = 32 << 20
_KEPT = 1 << 30

log = logging.getLogger(__name__)


def keep_freed_memory() -> None:
    """Have glibc use freed blocks again instead of giving them back.

    A block of some megabytes is otherwise mapped anew each time, and the kernel has to clear every
    page of it: on virtual machines that costs more than reading a log. Other C libraries are left
    as they are.
    """
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT)
    except (OSError, AttributeError):
        log.info("This C library has no mallopt; memory is managed as it likes.")
