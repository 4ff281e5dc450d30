from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from webstat.figures.days import days_figure
from webstat.theme import tokens

DAY = 86400
START = 20_000 * DAY


def days(*values: float) -> pd.Series:
    return pd.Series(values, index=pd.Index(range(START, START + len(values) * DAY, DAY)), dtype="float64")


def test_each_day_is_a_step_of_one_utc_day() -> None:
    figure = days_figure(days(10, 0, 30.26), theme="light")
    assert figure is not None
    (bars,) = figure["data"]
    assert bars["y"] == [10, 0, 30.3]
    assert (bars["dx"], bars["width"], bars["offset"]) == (DAY * 1000, DAY * 1000, 0)
    assert bars["x0"] == pd.Timestamp(START, unit="s").strftime("%Y-%m-%d %H:%M:%S")
    assert figure["layout"]["xaxis"]["range"][1] == pd.Timestamp(START + 3 * DAY, unit="s").strftime(
        "%Y-%m-%d %H:%M:%S"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_blue_and_the_day_that_goes_on_is_in_the_tint(theme: str) -> None:
    figure = days_figure(days(1, 2, 3), theme=theme)
    assert figure is not None
    t = tokens(theme)
    assert figure["data"][0]["marker"]["color"] == [t["work"], t["work"], t["wait"]]


def test_days_before_the_first_report_are_a_gap() -> None:
    figure = days_figure(days(np.nan, np.nan, np.nan, 4, 5), theme="light")
    assert figure is not None
    assert figure["data"][0]["y"] == [None, None, None, 4, 5]
    (box,) = figure["layout"]["shapes"]
    assert (box["x0"][:10], box["x1"][:10]) == tuple(
        str(pd.Timestamp(at, unit="s").date()) for at in (START, START + 3 * DAY)
    )
    assert figure["layout"]["annotations"][0]["text"] == "no report yet then"
    assert "shapes" not in (days_figure(days(4, np.nan, 5), theme="light") or {})["layout"]


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (18_300, ["0", "5,000", "10 k", "15 k", "20 k"]),
        (3, ["0", "1", "2", "3", "4"]),
        (0.7, ["0", "0.2", "0.4", "0.6", "0.8"]),
        (400, ["0", "100", "200", "300", "400"]),
        (9, ["0", "2.5", "5", "7.5", "10"]),
    ],
)
def test_there_are_few_round_ticks(highest: float, ticks: list[str]) -> None:
    axis = (days_figure(days(highest, 0), theme="light") or {})["layout"]["yaxis"]
    assert [text.replace("\u00a0", " ") for text in axis["ticktext"]] == ticks
    assert axis["range"][1] >= highest


def test_nothing_used_is_no_figure() -> None:
    assert days_figure(days(0, 0), theme="light") is None
    assert days_figure(days(np.nan, np.nan), theme="light") is None
