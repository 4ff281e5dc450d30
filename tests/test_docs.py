"""The documentation cannot lag: what the code has, the documents name."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from agent import errors
from agent.report import Array, Job, Node, Queue, Report, Reservation, Warning
from agent.settings import OPTIONS
from agent.states import JobState, NodeState
from collector.schema import metadata
from webstat.api.v1.routes import PREFIX, ROUTES

ROOT = Path(__file__).resolve().parent.parent
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "agent/README.md", ROOT / "demo/README.md"]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("record", [Report, Job, Array, Node, Queue, Reservation, Warning])
def test_every_field_on_the_wire_is_documented(record: type) -> None:
    protocol = text("docs/protocol.md")
    assert [f.name for f in fields(record) if f"`{f.name}`" not in protocol] == []


@pytest.mark.parametrize("vocabulary", [JobState, NodeState])
def test_every_state_is_documented(vocabulary: type[JobState] | type[NodeState]) -> None:
    protocol = text("docs/protocol.md")
    assert [state.value for state in vocabulary if f"`{state.value}`" not in protocol] == []


def test_every_error_code_on_the_wire_is_documented() -> None:
    protocol = text("docs/protocol.md")
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.AgentError)]
    replies = {kind.code for kind in kinds} - {errors.WireError.code, errors.ErrorReply.code}
    assert len(replies) > 8
    assert sorted(code for code in replies if f"`{code}`" not in protocol) == []


def test_every_table_of_the_store_is_documented() -> None:
    operations = text("docs/operations.md")
    inside = {"word", "dirty_hour"}
    assert [name for name in metadata.tables if name not in inside and f"`{name}`" not in operations] == []


def test_every_address_for_programs_is_documented() -> None:
    api = text("docs/api.md")
    assert len(ROUTES) > 10
    assert [route.path for route in ROUTES if f"`{PREFIX}{route.path}`" not in api] == []


def test_every_option_of_the_agent_is_documented() -> None:
    readme = text("agent/README.md")
    assert len(OPTIONS) > 10
    assert [option.flag for option in OPTIONS if f"`{option.flag}" not in readme] == []


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_every_module_that_the_architecture_names_exists() -> None:
    for package in ("agent", "collector", "webstat"):
        section = text("docs/architecture.md").split(f"**{package}**")[-1].split("\n**")[0]
        rows = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
        assert rows
        for name in re.findall(r"`([\w/.]+)`", " ".join(rows)):
            assert (ROOT / package / name).exists(), f"{package}/{name}"


def test_make_help_lists_every_target_meant_for_people() -> None:
    readme, makefile = text("README.md"), text("Makefile")
    targets = re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)
    assert {"run", "demo", "test", "bench", "screenshots"} <= set(targets)
    for target in ("run", "demo", "test", "bench", "screenshots"):
        assert f"make {target}" in readme
