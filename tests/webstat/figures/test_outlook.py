"""What would be free, as a figure: tested by its data."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from webstat.figures.outlook import BOTTOM, CERTAIN, EXPECTED, HEIGHT, LIKELY, TOP, Mark, outlook_figure, pixels
from webstat.theme import THEMES

AT = 1_800_000_000
STEPS = pd.DataFrame(
    {CERTAIN: [5, 5, 20], LIKELY: [5, 10, 30], EXPECTED: [5, 15, 40]}, index=pd.Index([AT, AT + 600, AT + 1200])
)
ALL = (CERTAIN, LIKELY, EXPECTED)


def figure_of(lines: tuple[str, ...] = ALL, theme: str = "light", **options: Any) -> dict[str, Any]:
    return outlook_figure(
        STEPS, 100, lines=lines, theme=theme, zone=ZoneInfo("Europe/Berlin"), revision="one", **options
    )


def test_lines_are_steps_from_the_report_on() -> None:
    found = figure_of()
    assert [(one["name"], one["y"]) for one in found["data"]] == [
        ("at least, by walltimes", [5, 5, 20]),
        ("at least, 90 of 100", [5, 10, 30]),
        ("expected", [5, 15, 40]),
        ("usable", [100, 100, 100]),
    ]
    assert {(one["x0"], one["dx"]) for one in found["data"]} == {("2027-01-15 09:00:00", 600_000)}
    assert all(one["line"]["shape"] == "hv" for one in found["data"][:3])
    assert found["layout"]["xaxis"]["range"] == ["2027-01-15 09:00:00", "2027-01-15 09:20:00"]
    assert found["layout"]["yaxis"]["range"] == [0, 106.0]


def test_what_has_no_basis_is_not_drawn() -> None:
    assert [one["name"] for one in figure_of((CERTAIN,))["data"]] == ["at least, by walltimes", "usable"]
    middle = figure_of((CERTAIN, EXPECTED))["data"]
    assert [one["name"] for one in middle] == ["at least, by walltimes", "expected", "usable"]
    # A band only to the line of nine of ten cases: what is between the other two is no such thing.
    assert [one.get("fill") for one in middle] == ["tozeroy", None, None]
    assert [one.get("fill") for one in figure_of()["data"]] == ["tozeroy", None, "tonexty", None]


def test_reservations_are_marked_where_they_begin() -> None:
    layout = figure_of(marks=[Mark(AT + 700, "maintenance: all nodes")])["layout"]
    assert [one["x0"] for one in layout["shapes"]] == [one["x"] for one in layout["annotations"]]
    assert layout["annotations"][0]["text"] == "maintenance: all nodes"
    assert figure_of()["layout"]["shapes"] == []


@pytest.mark.parametrize("theme", THEMES)
def test_it_can_be_sent(theme: str) -> None:
    assert json.dumps(figure_of(theme=theme))


def test_labels_stand_where_lines_end() -> None:
    assert pixels(STEPS, 100, 0) == HEIGHT - BOTTOM
    assert pixels(STEPS, 100, 106) == pytest.approx(TOP)
