"""How all measurements are taken: interleaved rounds, medians."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any


def medians(rounds: int, ways: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """Median seconds of each way, taken in turn so that a noisy moment hits all of them."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            gc.collect()
            begun = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - begun)
    return {name: statistics.median(taken) for name, taken in times.items()}
