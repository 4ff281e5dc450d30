"""Which addresses are in the networks that settings name."""

from __future__ import annotations

import pytest

from webstat.access.networks import is_among, read_networks

NETWORKS = read_networks(("10.1.2.0/24", "127.0.0.1", "2001:db8::/32"))


@pytest.mark.parametrize("text", ["10.1.2.9", "127.0.0.1", "::ffff:10.1.2.9", "2001:db8::1"])
def test_inside(text: str) -> None:
    assert is_among(text, NETWORKS)


@pytest.mark.parametrize(
    "text", ["10.1.3.9", "127.0.0.2", "::ffff:10.1.3.9", "::1", "", "unix:", "10.1.2", "10.1.2.9 "]
)
def test_outside(text: str) -> None:
    assert not is_among(text, NETWORKS)
