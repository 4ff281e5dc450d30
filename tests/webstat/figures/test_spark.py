from __future__ import annotations

from urllib.parse import unquote
from xml.etree import ElementTree

import pandas as pd

from webstat.figures.spark import HEIGHT, WIDTH, spark_figure

STEP = 900
NAN = float("nan")


def drawing(values: list[float]) -> list[str]:
    """The path data of a sparkline, areas and lines by turns."""
    series = pd.Series(values, index=[place * STEP for place in range(len(values))], dtype="float64")
    uri = spark_figure(series, until=len(values) * STEP)
    assert uri is not None
    assert uri.startswith("data:image/svg+xml,")
    assert '"' not in uri  # it stands in a quoted url()
    tree = ElementTree.fromstring(unquote(uri.partition(",")[2]))
    return [path.attrib["d"] for path in tree]


def points(path: str) -> list[tuple[float, float]]:
    return [tuple(float(v) for v in pair.split(",")) for pair in path.strip("MZ").split("L")]  # type: ignore[misc]


def test_nothing_known_is_no_picture() -> None:
    assert spark_figure(pd.Series([NAN, NAN], index=[0, STEP]), until=2 * STEP) is None


def test_full_is_at_the_top_and_empty_at_the_bottom() -> None:
    line = points(drawing([1.0, 0.0, 0.5, 0.5])[1])
    assert line[0] == (0, 1)
    assert line[1][1] == HEIGHT
    assert line[-1][0] == WIDTH


def test_more_than_all_is_drawn_as_all() -> None:
    assert {y for _, y in points(drawing([1.4, 7.0])[1])} == {1.0}


def test_gaps_are_left_out() -> None:
    paths = drawing([0.5, NAN, NAN, 0.5])
    assert len(paths) == 4
    assert points(paths[1])[-1][0] == WIDTH / 4
    assert points(paths[3])[0][0] == WIDTH * 3 / 4
