"""Columns of numbers <-> bytes: how an element of `history_column` is packed. Pure.

Which columns there are is lives.py's.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from isal import isal_zlib

Numbers = npt.NDArray[Any]

_WIDTHS = {
    "<i8": (
        *("walltime", "walltime_used", "cpu_used"),
        *("cpu_core_seconds", "walltime_used_seconds", "walltime_asked_seconds"),
        *("core_seconds", "gpu_seconds", "run_seconds", "queued_seconds", "queued_core_seconds", "start_wait_seconds"),
        "sums",
    ),
    "<i2": ("wait_class", "slowdown_class", "back", "started_back"),
    "u1": ("flags", "size", "walltime_class", "outcome", "state"),
}
_KIND = {name: np.dtype(kind) for kind, names in _WIDTHS.items() for name in names}
_USUAL = np.dtype("<i4")


def kind_of(name: str) -> np.dtype[Any]:
    """The type of a column's elements."""
    return _KIND.get(name, _USUAL)


def to_bytes(name: str, numbers: Numbers) -> bytes:
    """The bytes of a column, or of rows of numbers: their first bytes, then all second ones ..., deflated.

    Laid out so, small numbers beside large ones cost little. Raises OverflowError where a number is too large.
    """
    kind = kind_of(name)
    limits = np.iinfo(kind)
    if numbers.size and (numbers.min() < limits.min or numbers.max() > limits.max):
        raise OverflowError(f"column {name} holds a number beyond {limits.bits} bits")
    whole = np.ascontiguousarray(numbers, dtype=kind)
    planes = whole.view(np.uint8).reshape(-1, kind.itemsize).T
    return zlib.compress(planes.tobytes(), 6)


def from_bytes(name: str, data: bytes) -> Numbers:
    """The numbers that to_bytes packed; those of several rows one after the other."""
    kind = kind_of(name)
    planes = np.frombuffer(isal_zlib.decompress(data), dtype=np.uint8).reshape(kind.itemsize, -1)
    if kind.itemsize == 1:
        return planes.reshape(-1)
    return np.ascontiguousarray(planes.T).view(kind).reshape(-1)
