"""/readyz: yes only of a process that can serve, and in words what is in the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.webstat.served import Server, served, settings_for, wait_for
from tests.webstat.stores import Builder, Shape
from tests.webstat.test_serving import get


def asked(server: Server) -> tuple[int, dict[str, Any]]:
    """The status, and the checks by name."""
    status, _, body = get(server.url + "/readyz")
    answer = json.loads(body)
    assert answer["ok"] is all(check["ok"] for check in answer["checks"])
    assert (status == 503) is any(check["elsewhere"] for check in answer["checks"] if not check["ok"])
    return status, {check["name"]: check for check in answer["checks"]}


@pytest.fixture
def builder(each_store: str, tmp_path: Path) -> Any:
    builder = Builder(tmp_path / "store.sqlite")
    builder.add(Shape("one", "One", nodes=2, days=1))
    yield builder
    builder.close()


def test_a_process_that_can_serve_says_so(builder: Builder) -> None:
    with served(settings_for(builder.url, "one")) as server:
        status, checks = asked(server)
    assert status == 200
    assert list(checks) == ["store", "assets", "hub", "draining"]
    assert checks["store"]["words"].startswith("it can be read, and has schema 0")


@pytest.mark.parametrize(
    ("revision", "words", "expected"),
    [
        ("0001", "start this version's collector", 503),
        ("9999", "of a newer webstat", 503),
        (None, "the collector makes it", 200),
    ],
)
def test_another_schema_is_not_served(builder: Builder, revision: str | None, words: str, expected: int) -> None:
    change = (
        "DELETE FROM alembic_version" if revision is None else f"UPDATE alembic_version SET version_num='{revision}'"
    )
    with builder.engine.begin() as connection:
        connection.execute(text(change))
    with served(settings_for(builder.url, "one")) as server:
        status, checks = asked(server)
        assert get(server.url + "/healthz")[0] == 200, "it is alive all the same"
    assert status == expected and not checks["store"]["ok"]
    assert words in checks["store"]["words"]


def test_a_store_that_is_not_there_or_broken_is_said_and_pages_say_it_too(on_sqlite: None, tmp_path: Path) -> None:
    file = tmp_path / "late.sqlite"
    with served(settings_for(f"sqlite:///{file}", "one")) as server:
        status, checks = asked(server)
        assert (status, checks["store"]["ok"]) == (200, False)
        assert "the collector makes it" in checks["store"]["words"]
        file.write_bytes(b"no database at all, and long enough to be looked into" * 50)
        status, checks = asked(server)
        assert (status, checks["store"]["ok"]) == (200, False)
        assert "not a database" in checks["store"]["words"]
        file.unlink()
        Builder(file).close()
        assert asked(server)[1]["store"]["ok"], "it is seen as soon as it is there"


def test_a_hub_that_has_ended(on_sqlite: None, tmp_path: Path) -> None:
    builder = Builder(tmp_path / "store.sqlite")
    with served(settings_for(builder.url, "one")) as server:
        assert asked(server)[0] == 200
        listening = server.app.state.listening
        listening.get_loop().call_soon_threadsafe(listening.cancel)
        wait_for(listening.done, "the hub to end")
        status, checks = asked(server)
    builder.close()
    assert (status, checks["hub"]["ok"]) == (503, False)
    assert "restart this process" in checks["hub"]["words"]
