"""Stores that take seconds to make, made once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.collector.pasts import long_past


@pytest.fixture(scope="session")
def copy_past(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, Path], Path]:
    """(seed, file) -> a copy there of the store that long_past() makes of the seed."""
    made: dict[int, Path] = {}

    def copy(seed: int, file: Path) -> Path:
        if seed not in made:
            made[seed] = long_past(tmp_path_factory.mktemp("past"), seed)
        return Path(shutil.copy(made[seed], file))

    return copy
