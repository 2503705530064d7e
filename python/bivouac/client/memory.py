"""What a process does with the memory of messages that were read."""

from __future__ import annotations

import ctypes

# Numbers of glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


def keep_memory() -> bool:
    """Lets this process keep the memory of messages that it has read, for those to come.

    gRPC asks glibc for a few MB for each message. By default glibc gives them back to the system when
    the message is gone, and gets them anew, zeroed page by page, for the next one, which can take as
    long as reading the message. This changes how the whole process uses memory: up to 1 GiB that was
    freed stays with it. Call it once, before anything is read.

    Returns:
        Whether the C library is one that can be told so: glibc. Nothing was changed otherwise.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    told = [(_TRIM_THRESHOLD, 1 << 30), (_MMAP_THRESHOLD, 32 << 20), (_TOP_PAD, 64 << 20)]
    return all([mallopt(name, value) == 1 for name, value in told])
