"""Stacked columns as SVG: what is drawn is what was given."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import pytest

from webstat.figures.svg import HEIGHT, TOP, Band, Column, columns_svg, swatch_svg
from webstat.identity import DOTTED, STRIPED
from webstat.theme import DARK, LIGHT

SVG = "{http://www.w3.org/2000/svg}"
COLUMNS = (Column("Mon 1 Jun", "1 Jun"), Column("Tue 2 Jun"), Column("Wed 3 Jun"))
BANDS = (Band("a", (10.0, 30.0, math.nan), "c1"), Band('<b>&"', (10.0, 0.0, math.nan), "c1", STRIPED))


def drawn(**options: object) -> ElementTree.Element:
    return ElementTree.fromstring(columns_svg("x", "<T>", "D & d", COLUMNS, BANDS, **options))  # type: ignore[arg-type]


def test_heights_are_the_numbers() -> None:
    rects = [rect for group in drawn().findall(f"{SVG}g") for rect in group.findall(f"{SVG}rect")]
    heights = [float(rect.attrib["height"]) for rect in rects]
    assert heights == pytest.approx([HEIGHT / 3, HEIGHT, HEIGHT / 3], abs=0.11)  # of an axis to 30
    below, above = rects[0], rects[2]
    assert float(above.attrib["y"]) + float(above.attrib["height"]) == pytest.approx(float(below.attrib["y"]), abs=0.11)
    assert [text.text for text in drawn().findall(f"{SVG}text")] == ["0", "10", "20", "30", "1 Jun"]


def test_it_tells_itself_to_who_does_not_see_it() -> None:
    svg = drawn()
    assert svg.attrib["role"] == "img" and svg.attrib["aria-labelledby"] == "x-t"
    assert svg.find(f"{SVG}title").text == "<T>" and svg.find(f"{SVG}desc").text == "D & d"  # type: ignore[union-attr]
    assert 'Mon 1 Jun, <b>&": 10' in [title.text for title in svg.iter(f"{SVG}title")]


def test_alike_colours_differ_by_texture() -> None:
    assert len(drawn().findall(f"{SVG}defs/{SVG}pattern")) == 1
    assert 'fill="url(#x-c1-1)"' in swatch_svg("x", BANDS[1]) and LIGHT["c1"] in swatch_svg("x", BANDS[0])
    assert "<circle" in columns_svg("x", "", "", COLUMNS, [Band("a", (1, 2, 3), "off", DOTTED)])
    assert {"c1", "off", "work"} <= set(DARK)


def test_limits_and_gaps_stand_where_they_belong() -> None:
    svg = drawn(limit=(40.0, math.nan, 20.0), gaps=[(1.0, 2.5)])
    dotted = [line for line in svg.findall(f"{SVG}line") if "stroke-dasharray" in line.attrib]
    assert [line.attrib["x1"] for line in dotted] == ["0.00%", "66.67%"]
    assert [float(line.attrib["y1"]) for line in dotted] == pytest.approx([TOP, TOP + HEIGHT / 2])
    (gap,) = [rect for rect in svg.findall(f"{SVG}rect") if rect.attrib["class"] == "gap"]
    assert (gap.attrib["x"], gap.attrib["width"]) == ("33.33%", "50.00%")


@pytest.mark.parametrize(
    ("most", "labels"),
    [
        (0.0, "0 1"),
        (0.3, "0 0.1 0.2 0.3"),
        (7.0, "0 2 4 6 8"),
        (9.0, "0 2.5 5 7.5 10"),
        (99_000.0, "0 25\xa0k 50\xa0k 75\xa0k 100\xa0k"),
    ],
)
def test_axes_are_round(most: float, labels: str) -> None:
    svg = ElementTree.fromstring(columns_svg("x", "", "", COLUMNS[1:], [Band("a", (0.0, most), "c1")]))
    assert " ".join(text.text or "" for text in svg.findall(f"{SVG}text")) == labels
