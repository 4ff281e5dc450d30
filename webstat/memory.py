"""Memory of the process: what counting history frees is kept for the next count."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of mallopt(3)."""

KEPT_BYTES = 64 << 20
"""At most so much of freed memory is kept."""

_LARGEST = 32 << 20
"""Arrays up to this size come from what is kept; mallopt takes no more."""


def keep_freed() -> bool:
    """Let malloc keep freed arrays; whether it does: only glibc's can.

    Else each array of some megabytes is mapped anew, with a page fault for every 4 kB of it, and a month of history
    makes a hundred of them.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return all(mallopt(name, size) for name, size in ((_TRIM_THRESHOLD, KEPT_BYTES), (_MMAP_THRESHOLD, _LARGEST)))
