"""Thrift: memory that is freed goes back to the system, not to the thread that had it."""

import ctypes
import sys

# Parameters of mallopt(3), as <malloc.h> of glibc numbers them.
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_ARENAS = 2
_MAPPED_BYTES = 256 << 10


def be_thrifty() -> None:
    """Let the allocator keep little; call it before threads start.

    By itself glibc keeps a heap for every thread, and what sound of many sizes leaves there is a
    third of a worker's memory. Other allocators are left as they are.
    """
    tune = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if tune:
        tune(_M_ARENA_MAX, _ARENAS)
        tune(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
