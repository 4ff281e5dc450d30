"""The real output of /metrics, asked for over HTTP, and read by prometheus_client's own parser."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.webstat.served import Server
from tests.webstat.test_serving import get

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""(name, labels in order) -> value."""


def text_of(server: Server) -> str:
    status, headers, body = get(server.url + "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return body.decode()


def read(text: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} is told twice"
            found[key] = sample.value
    return found


def value(samples: Samples, name: str, **labels: str) -> float | None:
    """One value; None where it is not told."""
    return samples.get((name, tuple(sorted(labels.items()))))


def total(samples: Samples, name: str, **labels: str) -> float:
    """The sum over all that have these labels."""
    return sum(one for (own, told), one in samples.items() if own == name and labels.items() <= dict(told).items())
