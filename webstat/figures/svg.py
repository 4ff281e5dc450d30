"""Pictures for paper and mail: stacked columns as one SVG element, without a script or a style sheet.

Colours are fills of the light theme with the token's name as class, so that a page may darken them. Widths are
percentages: text keeps its size on paper and phone alike. What is drawn is the caller's to choose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from webstat.format import compact
from webstat.identity import DOTTED, PLAIN
from webstat.theme import LIGHT

TOP, HEIGHT, BOTTOM = 14, 200, 24
"""Pixels above the plot, of it, and below."""
LEFT = 46
"""Pixels that a page leaves to the left, for the numbers of the axis."""
LINES = 4
GAP = 0.16
"""Share of a column's place that stays empty."""


@dataclass(frozen=True)
class Band:
    """One name's numbers by column, NaN where not known; `token` is the colour, `texture` one of identity's."""

    name: str
    values: Sequence[float]
    token: str
    texture: int = PLAIN


@dataclass(frozen=True)
class Column:
    """One column's words for whoever points at it, and what is written below it, if anything."""

    words: str
    label: str = ""


def columns_svg(
    ident: str,
    title: str,
    description: str,
    columns: Sequence[Column],
    bands: Sequence[Band],
    *,
    limit: Sequence[float] = (),
    gaps: Sequence[tuple[float, float]] = (),
) -> str:
    """Stacked columns, the first band at the bottom; `ident` is unique on its page.

    `limit` is drawn dotted over each column, e.g. what is usable. `gaps` are stretches that are not known, from 0 (the
    left edge) to the number of columns.
    """
    count = max(1, len(columns))
    most = max(
        [0.0, *_finite(limit), *(sum(_finite(values)) for values in zip(*(b.values for b in bands), strict=True))]
    )
    step = _step(most)
    top = step * max(1, math.ceil(most / step - 1e-9))
    parts = [f"<title>{escape(title)}</title><desc>{escape(description)}</desc>", _patterns(ident, bands)]
    parts += _axis(step, top)
    parts += _columns(ident, columns, bands, top)
    for start, end in gaps:
        parts.append(
            f'<rect class="gap" x="{100 * start / count:.2f}%" width="{100 * (end - start) / count:.2f}%" y="{TOP}" '
            f'height="{HEIGHT}" fill="{LIGHT["warn-bg"]}" fill-opacity=".3" stroke="{LIGHT["warn-edge"]}" '
            'stroke-dasharray="1.5 3"><title>not known</title></rect>'
        )
    for place, value in enumerate(limit):
        if not math.isnan(value):
            y = _y(value, top)
            parts.append(
                f'<line class="ink-2" x1="{100 * place / count:.2f}%" x2="{100 * (place + 1) / count:.2f}%" '
                f'y1="{y:.1f}" y2="{y:.1f}" stroke="{LIGHT["ink-2"]}" stroke-width="1.5" stroke-dasharray="2 2"/>'
            )
    parts += [_text(100 * (place + 0.5) / count, column.label) for place, column in enumerate(columns) if column.label]
    height = TOP + HEIGHT + BOTTOM
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="{ident}-t" width="100%" height="{height}" '
        f'overflow="visible" font-size="11">{"".join(parts)}</svg>'
    ).replace("<title>", f'<title id="{ident}-t">', 1)


def swatch_svg(ident: str, band: Band) -> str:
    """A small square that looks as the band does in the picture of the same `ident`."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" aria-hidden="true" width="12" height="12">'
        f'<rect x=".5" y=".5" width="11" height="11" {_fill(ident, band)} stroke="{LIGHT["edge"]}"/></svg>'
    )


def _columns(ident: str, columns: Sequence[Column], bands: Sequence[Band], top: float) -> list[str]:
    count = max(1, len(columns))
    below = [0.0] * len(columns)
    parts = []
    for band in bands:
        # Hairlines in the surface's colour part the bands where colours look alike.
        outline = LIGHT["edge"] if band.token == "c0" else LIGHT["surface"]
        drawn = []
        for place, (column, value) in enumerate(zip(columns, band.values, strict=True)):
            if math.isnan(value) or value <= 0:
                continue
            low, high = _y(below[place], top), _y(below[place] + value, top)
            below[place] += value
            words = f"{column.words}, {band.name}: {compact(value)}"
            drawn.append(
                f'<rect x="{100 * (place + GAP / 2) / count:.2f}%" width="{100 * (1 - GAP) / count:.2f}%" '
                f'y="{high:.1f}" height="{low - high:.1f}"><title>{escape(words)}</title></rect>'
            )
        parts.append(f'<g {_fill(ident, band)} stroke="{outline}" stroke-width=".8">{"".join(drawn)}</g>')
    return parts


def _axis(step: float, top: float) -> list[str]:
    parts = []
    for number in range(round(top / step) + 1):
        y = _y(number * step, top)
        said = f"{number * step:.3g}" if step < 10 else compact(number * step)
        parts.append(
            f'<line class="line" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}" stroke="{LIGHT["line"]}"/>'
            f'<text class="text" x="-6" y="{y + 4:.1f}" text-anchor="end" fill="{LIGHT["ink-2"]}">{said}</text>'
        )
    return parts


def _text(across: float, words: str) -> str:
    y = TOP + HEIGHT + 16
    return f'<text class="text" x="{across:.2f}%" y="{y}" text-anchor="middle" fill="{LIGHT["ink-2"]}">{escape(words)}</text>'


def _patterns(ident: str, bands: Sequence[Band]) -> str:
    made = {_pattern_name(ident, band): band for band in bands if band.texture != PLAIN}
    return f"<defs>{''.join(_pattern(name, band) for name, band in made.items())}</defs>" if made else ""


def _pattern(name: str, band: Band) -> str:
    colour = f'class="{band.token}" fill="{LIGHT[band.token]}"'
    mark = (
        f'<circle cx="3" cy="3" r="1.6" {colour}/>'
        if band.texture == DOTTED
        else f'<rect width="2.5" height="6" {colour}/>'
    )
    return (
        f'<pattern id="{name}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="6" height="6" class="surface" fill="{LIGHT["surface"]}"/>'
        f'<rect width="6" height="6" {colour} fill-opacity=".25"/>{mark}</pattern>'
    )


def _pattern_name(ident: str, band: Band) -> str:
    return f"{ident}-{band.token}-{band.texture}"


def _fill(ident: str, band: Band) -> str:
    if band.texture != PLAIN:
        return f'fill="url(#{_pattern_name(ident, band)})"'
    return f'class="{band.token}" fill="{LIGHT[band.token]}"'


def _y(value: float, top: float) -> float:
    return TOP + HEIGHT * (1 - value / top)


def _step(most: float) -> float:
    """The distance of lines: 1, 2, 2.5 or 5 of some power of ten, so that at most LINES are needed."""
    if most <= 0:
        return 1.0
    rough = most / LINES
    power = 10.0 ** math.floor(math.log10(rough))
    return float(next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= rough * (1 - 1e-9)))


def _finite(values: Sequence[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]
