"""Figures are tested by their data."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webstat.data.usage import STEP, Usage
from webstat.figures import stack
from webstat.figures.stack import LABEL_PIXELS, labels, push_apart, runs, usage_figure
from webstat.identity import shades
from webstat.theme import THEMES, tokens

SINCE = 1_800_000_000 // 900 * 900
BERLIN = ZoneInfo("Europe/Berlin")


def usage_of(users: dict[str, list[float]], others: list[float] | None = None, folded: int = 0) -> Usage:
    length = len(next(iter(users.values()))) if users else len(others or [])
    index = pd.Index([SINCE + place * STEP for place in range(length)], name="at")
    frame = pd.DataFrame(users, index=index, dtype="float64")
    rest = pd.Series(others or [0.0] * length, index=index)
    total = frame.sum(axis=1, skipna=False) + rest
    return Usage(frame, rest.where(total.notna()), total, folded, ((SINCE, SINCE + length * STEP),))


def usable_of(usage: Usage, cores: float = 100.0) -> pd.Series:
    return pd.Series(cores, index=usage.total.index)


def figure_of(usage: Usage, theme: str = "light", cores: float = 100.0, **options: Any) -> dict[str, Any] | None:
    return usage_figure(
        usage,
        usable_of(usage, cores),
        until=SINCE + len(usage.total) * STEP - 300,
        theme=theme,
        zone=BERLIN,
        shades=shades(list(usage.holders.columns), {}),
        revision="c",
        **options,
    )


NAN = float("nan")


def test_nothing_known_or_nothing_used_is_no_figure() -> None:
    assert figure_of(usage_of({"a": [NAN, NAN]})) is None
    assert figure_of(usage_of({"a": [0.0, 0.0]})) is None
    assert figure_of(usage_of({}, others=[NAN])) is None


def test_bands_are_stacked_largest_first_then_others_then_lines() -> None:
    figure = figure_of(usage_of({"a": [50, 60], "b": [20, 10.04]}, others=[5, 5], folded=3))
    assert figure is not None
    names = [trace["name"].strip("\u2068\u2069") for trace in figure["data"]]
    assert names == ["a", "b", "3 others", "in use", "usable"]
    first = figure["data"][0]
    assert first["y"] == [50, 60, 60]  # the last step ends where the next would begin
    assert (first["dx"], first["x0"]) == (900_000, "2027-01-15 09:00:00")
    assert figure["data"][1]["y"] == [20, 10.0, 10.0]
    assert figure["data"][3]["y"] == [75, 75.0, 75.0]
    assert figure["data"][4]["line"]["dash"] == "dot"
    assert {trace.get("stackgroup") for trace in figure["data"]} == {"s0", None}


def test_gaps_stay_open_and_are_marked() -> None:
    figure = figure_of(usage_of({"a": [5, 5, NAN, NAN, 7, 7, 7]}))
    assert figure is not None
    bands = [trace for trace in figure["data"] if "stackgroup" in trace]
    assert [(trace["stackgroup"], trace["y"]) for trace in bands] == [("s0", [5, 5, 5]), ("s1", [7, 7, 7, 7])]
    assert all(value is not None for trace in figure["data"] for value in trace["y"])
    (box,) = figure["layout"]["shapes"]
    assert (box["x0"], box["x1"]) == ("2027-01-15 09:30:00", "2027-01-15 10:00:00")
    assert [note["text"] for note in figure["layout"]["annotations"]] == ["no data"]


def test_before_the_first_report_is_quiet() -> None:
    figure = figure_of(usage_of({"a": [NAN, NAN, NAN, 7]}))
    assert figure is not None
    assert [note["text"] for note in figure["layout"]["annotations"]] == ["no report yet then"]
    assert figure["layout"]["shapes"][0]["line"]["width"] == 0


@pytest.mark.parametrize("theme", THEMES)
def test_colours_are_those_of_the_theme(theme: str) -> None:
    figure = figure_of(usage_of({"a": [5.0, 5.0]}, others=[1.0, 1.0], folded=2), theme)
    assert figure is not None
    text = json.dumps(figure)
    mine, other = tokens(theme), tokens("dark" if theme == "light" else "light")
    assert figure["data"][1]["fillcolor"] == mine["c0"]
    assert mine["ink-2"] in text
    assert not any(value in text for value in set(other.values()) - set(mine.values()))


def test_the_second_of_a_hue_is_striped_the_third_dotted() -> None:
    usage = usage_of({"a": [5.0, 5.0], "b": [4.0, 4.0], "c": [3.0, 3.0]})
    figure = usage_figure(
        usage, usable_of(usage), until=SINCE + 900, theme="light", zone=BERLIN,
        shades=shades(["a", "b", "c"], {"a": 2, "b": 2, "c": 2}), revision="c",
    )  # fmt: skip
    assert figure is not None
    assert "fillpattern" not in figure["data"][0]
    assert [figure["data"][place]["fillpattern"]["shape"] for place in (1, 2)] == ["/", "."]


def test_strangers_names_cannot_act() -> None:
    name = "<a href='javascript:1'>x</a>&\u202e"
    figure = figure_of(usage_of({name: [5.0, 5.0]}))
    assert figure is not None
    drawn = figure["data"][0]["name"]
    assert "<" not in drawn
    assert "&lt;a href" in drawn
    assert "\u202e" not in drawn
    assert figure["data"][0]["hovertemplate"] == "%{y:,.0f}"


def test_a_figure_is_plain_json_and_keeps_zooms() -> None:
    figure = figure_of(usage_of({"a": [5.0, 6.0]}))
    assert figure is not None
    assert json.loads(json.dumps(figure)) == figure
    assert figure["layout"]["uirevision"] == "c"
    assert figure["layout"]["yaxis"]["range"][0] == 0
    assert figure["layout"]["yaxis"]["range"][1] == pytest.approx(106)
    edges = ["2027-01-15 09:00:00", "2027-01-15 09:25:00"]
    assert figure["layout"]["xaxis"]["autorangeoptions"] == {"include": edges, "clipmin": edges[0], "clipmax": edges[1]}
    assert "range" not in figure["layout"]["xaxis"]


def test_a_zoom_is_the_range_of_the_axis_and_a_revision_of_its_own() -> None:
    usage = usage_of({"a": [5.0, 6.0, 7.0, 8.0]})
    figure = figure_of(usage, zoom=(SINCE + 900, SINCE + 1800))
    assert figure is not None
    assert figure["layout"]["xaxis"]["range"] == ["2027-01-15 09:15:00", "2027-01-15 09:30:00"]
    assert figure["layout"]["meta"] == {"offset": 3600}
    whole = figure_of(usage)
    assert whole is not None
    assert whole["data"] == figure["data"]
    other = figure_of(usage, zoom=(SINCE, SINCE + 1800))
    assert other is not None
    revisions = [one["layout"]["uirevision"] for one in (whole, figure, other)]
    assert len(set(revisions)) == 3


@pytest.mark.parametrize(("cores", "form"), [(3000.0, ",d"), (320_000.0, "~s")])
def test_large_numbers_are_short_on_the_axis(cores: float, form: str) -> None:
    figure = figure_of(usage_of({"a": [5.0, 6.0]}), cores=cores)
    assert figure is not None
    assert figure["layout"]["yaxis"]["tickformat"] == form


def test_local_time_is_that_of_the_end_on_the_day_clocks_change() -> None:
    change = 1_792_890_000  # Europe/Berlin goes from summer to winter time on this day
    zone = stack.local_zone(change + 86400, BERLIN)
    assert str(zone) == "UTC+01:00"


def test_labels_stand_at_the_middle_of_their_bands() -> None:
    usage = usage_of({"a": [10, 40], "b": [10, 20]}, others=[0, 10], folded=2)
    found, line = labels(usage, usable_of(usage), shades(["a", "b"], {}))
    assert [label.holder for label in found] == ["a", "b", None]
    scale = (stack.HEIGHT - stack.TOP - stack.BOTTOM) / 106
    bottom = stack.HEIGHT - stack.BOTTOM
    assert [label.y for label in found] == pytest.approx(
        [bottom - 20 * scale, bottom - 50 * scale, bottom - 65 * scale]
    )
    assert line == pytest.approx(bottom - 100 * scale)
    assert [label.cores for label in found] == [40, 20, 10]


def test_labels_of_a_zoom_stand_where_it_ends() -> None:
    usage = usage_of({"a": [10, NAN, 40], "b": [10, NAN, 20]}, others=[0, 0, 10], folded=2)
    shown = shades(["a", "b"], {})
    found, _ = labels(usage, usable_of(usage), shown, until=SINCE + 2 * STEP)
    assert [label.cores for label in found] == [10, 10, 0], "the last that is known before its end"
    assert labels(usage, usable_of(usage), shown, until=SINCE) == ([], None)


@given(st.lists(st.floats(min_value=0, max_value=300), max_size=12))
def test_labels_never_overlap(wished: list[float]) -> None:
    wished = sorted(wished, reverse=True)
    placed = push_apart(wished)
    assert all(above - below >= LABEL_PIXELS - 1e-6 for below, above in zip(placed[1:], placed, strict=False))
    assert all(0 <= y <= stack.HEIGHT for y in placed)


@given(st.lists(st.one_of(st.just(NAN), st.floats(min_value=0, max_value=9)), max_size=30))
def test_runs_are_what_is_known(values: list[float]) -> None:
    series = pd.Series(values, dtype="float64")
    found = runs(series)
    inside = {place for start, stop in found for place in range(start, stop)}
    assert inside == {place for place, value in enumerate(values) if not np.isnan(value)}
    assert all(stop < start for (_, stop), (start, _) in pairwise(found))
