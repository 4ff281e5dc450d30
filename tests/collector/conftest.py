"""Stores that take seconds to make, made once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.copy import copy_store
from tests.collector.pasts import long_past
from tests.databases import kept_in, store_at


@pytest.fixture(scope="session")
def copy_past(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, Path], Path]:
    """(seed, file) -> a copy of the store that long_past() makes of the seed, at the place that the file stands for."""
    made: dict[int, Path] = {}

    def copy(seed: int, file: Path) -> Path:
        if seed not in made:
            with kept_in("sqlite"):
                made[seed] = long_past(tmp_path_factory.mktemp("past"), seed)
        if store_at(file).startswith("sqlite"):
            return Path(shutil.copy(made[seed], file))
        copy_store(f"sqlite:///{made[seed]}", store_at(file))
        return file

    return copy
