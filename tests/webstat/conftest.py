"""What tests of pages share: the store filled from recorded clusters."""

from __future__ import annotations

import pytest

from tests.webstat.recorded import Recorded, record


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """All recorded clusters in one store, live, only to be read."""
    return record(tmp_path_factory.mktemp("recorded") / "store.sqlite")
