"""A report as one HTML file: style and pictures inside it, no script, nothing that is fetched.

What it says is in its Report; how numbers read, format.py's.
"""

from __future__ import annotations

import math

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from agent import __version__
from webstat.figures.svg import LEFT, Band, columns_svg, swatch_svg
from webstat.format import compact, percent
from webstat.report.model import Number, Picture, Report, Table, Value, change, words
from webstat.report.sentences import moment, zone_name
from webstat.theme import DARK, FONT, LIGHT

_DRAWN = ("work", "off", "bad-fill", *(f"c{number}" for number in range(8)), "line", "surface", "ink-2")
"""Tokens that pictures have as classes, beside `gap`."""


def html(report: Report) -> str:
    """The file's text."""
    environment = Environment(
        loader=PackageLoader("webstat.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html")
    return template.render(
        report=report,
        light=LIGHT,
        dark=DARK,
        drawn=_DRAWN,
        left=LEFT,
        font=Markup(FONT),
        kind={"everything": "Everything"}.get(report.kind, report.kind.capitalize()),
        pictures=[_picture(picture) for picture in report.pictures],
        words=words,
        note=lambda number: _note(number, report.beside),
        bar=_bar,
        repeats=_repeats,
        made=f"{moment(report.made_at, report.period.zone)} ({zone_name(report.period.zone)}), by webstat {__version__}",
    )


def _note(number: Number, beside: str) -> str:
    """What stands below a number: what it was, and how much that changed."""
    if math.isnan(number.before):
        return ""
    told = "" if math.isnan(number.change) else f"{change(number.change)} · "
    return f"{told}{beside}: {words(number.before, number.measure.form)}"


def _picture(picture: Picture) -> dict[str, object]:
    sums = [math.fsum(value for value in band.values if not math.isnan(value)) for band in picture.bands]
    whole = math.fsum(sums)
    ident = picture.name.replace("_", "-")
    told = ", ".join(
        f"{band.name} {percent(part / whole)}" for band, part in zip(picture.bands, sums, strict=True) if whole
    )
    drawing = columns_svg(
        ident, picture.title, f"{picture.subtitle}. {told or 'nothing'}.", picture.columns, picture.bands,
        limit=picture.limit, gaps=picture.gaps,
    )  # fmt: skip
    keys = [
        (Markup(swatch_svg(ident, band)), *_key(band, part, whole))
        for band, part in zip(picture.bands, sums, strict=True)
    ]
    return {"of": picture, "drawing": Markup(drawing), "keys": list(reversed(keys)), "empty": whole == 0}


def _key(band: Band, part: float, whole: float) -> tuple[str, str]:
    return band.name, percent(part / whole) if whole else compact(part)


def _bar(table: Table, row: tuple[Value, ...], place: int) -> float | None:
    """Width in percent of the bar behind a share; None where the column has none."""
    value = row[place]
    if table.measures[place].name != "share" or not isinstance(value, float) or math.isnan(value):
        return None
    most = max((float(other[place] or 0) for other in table.rows), default=0)
    return round(100 * value / most, 1) if most else None


def _repeats(table: Table, number: int, place: int) -> bool:
    """Whether a key stands in the row above already, as do those before it; the last key is always written."""
    if number == 0 or place >= table.keys - 1:
        return False
    above, row = table.rows[number - 1], table.rows[number]
    return above[: place + 1] == row[: place + 1]
