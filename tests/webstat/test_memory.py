"""What is freed is kept: counting again and again maps no memory anew."""

from __future__ import annotations

import subprocess
import sys

import pytest

COUNT = """
import resource
import numpy as np
from webstat.memory import keep_freed

kept = {keep} and keep_freed()

def count():
    numbers = np.arange(500_000)
    return ((numbers * 2 + 1) // 3).sum()

count()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    count()
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep: bool) -> tuple[bool, int]:
    words = [sys.executable, "-c", COUNT.format(keep=keep)]
    kept, number = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return kept == "1", int(number)


def test_large_arrays_cost_page_faults_once() -> None:
    kept, few = faults(keep=True)
    if not kept:
        pytest.skip("this C library's malloc is not told")
    _, many = faults(keep=False)
    assert few < many / 10
