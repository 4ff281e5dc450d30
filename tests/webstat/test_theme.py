"""The tokens: the same in Python and CSS, readable, and apart for every kind of colour vision."""

from __future__ import annotations

import math
import re
from itertools import combinations

import pytest

from webstat.static import ASSETS
from webstat.theme import DARK, FONT, LIGHT, THEMES, contrast, tokens

CSS = (ASSETS / "webstat.css").read_text(encoding="utf-8")


def css_tokens(selector: str) -> dict[str, str]:
    block = re.search(re.escape(selector) + r" \{(.*?)\n\}", CSS, re.DOTALL)
    assert block is not None
    return {name: value.upper() for name, value in re.findall(r"--ws-([\w-]+): (#[0-9A-Fa-f]{6})", block[1])}


@pytest.mark.parametrize(
    ("theme", "selector"), [(LIGHT, ':root, [data-bs-theme="light"]'), (DARK, '[data-bs-theme="dark"]')]
)
def test_python_and_css_have_the_same_tokens(theme: dict[str, str], selector: str) -> None:
    assert css_tokens(selector) == theme


def test_the_font_is_that_of_the_style_sheet() -> None:
    assert FONT in CSS


TEXT = [(ink, ground) for ink in ("ink", "ink-2") for ground in ("bg", "surface", "sunken")]
TEXT += [(f"{tone}", f"{tone}-bg") for tone in ("ok", "warn", "bad")]
TEXT += [("ink", f"{tone}-bg") for tone in ("ok", "warn", "bad")] + [("work-ink", "surface"), ("work-ink", "bg")]
TEXT += [(tone, "surface") for tone in ("ok", "warn", "bad")] + [("surface", "ink"), ("surface", "work-ink")]
SHAPES = ["work", "edge", "off", "warn-edge", "bad-fill", *(f"c{hue}" for hue in range(1, 8))]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("ink", "ground"), TEXT)
def test_text_is_readable(theme: str, ink: str, ground: str) -> None:
    assert contrast(tokens(theme)[ink], tokens(theme)[ground]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_stand_out(theme: str, shape: str) -> None:
    assert contrast(tokens(theme)[shape], tokens(theme)["surface"]) >= 3


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


# Machado, Oliveira, Fernandes (2009) at full severity, on linear RGB.
SIGHT = {
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def linear(colour: str) -> list[float]:
    values = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]


def seen(colour: str, sight: str) -> tuple[float, float, float]:
    """CIE L*a*b* (D65) of a colour as somebody sees it."""
    rgb = linear(colour)
    if sight != "all":
        rgb = [min(1.0, max(0.0, sum(m * v for m, v in zip(row, rgb, strict=True)))) for row in SIGHT[sight]]
    to_xyz = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
    xyz = [sum(m * v for m, v in zip(row, rgb, strict=True)) for row in to_xyz]
    x, y, z = (
        f ** (1 / 3) if f > 216 / 24389 else (24389 / 27 * f + 16) / 116
        for f in (v / w for v, w in zip(xyz, (0.95047, 1.0, 1.08883), strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def difference(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """CIEDE2000 (Sharma, Wu, Dalal 2005)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean_c = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(mean_c**7 / (mean_c**7 + 25**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    dl, dc = l2 - l1, c2 - c1
    dh = h2 - h1
    if c1 * c2 == 0:
        dh = 0
    elif dh > 180:
        dh -= 360
    elif dh < -180:
        dh += 360
    dh = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(dh / 2))
    ml, mc = (l1 + l2) / 2, (c1 + c2) / 2
    mh = h1 + h2
    if c1 * c2:
        mh = mh / 2 if abs(h1 - h2) <= 180 else (mh + 360) / 2 if mh < 360 else (mh - 360) / 2
    cos = [math.cos(math.radians(v)) for v in (mh - 30, 2 * mh, 3 * mh + 6, 4 * mh - 63)]
    t = 1 - 0.17 * cos[0] + 0.24 * cos[1] + 0.32 * cos[2] - 0.20 * cos[3]
    turn = 30 * math.exp(-(((mh - 275) / 25) ** 2))
    rc = 2 * math.sqrt(mc**7 / (mc**7 + 25**7))
    sl = 1 + 0.015 * (ml - 50) ** 2 / math.sqrt(20 + (ml - 50) ** 2)
    sc, sh = 1 + 0.045 * mc, 1 + 0.015 * mc * t
    rt = -math.sin(math.radians(2 * turn)) * rc
    return math.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + rt * (dc / sc) * (dh / sh))


def test_the_colour_difference_is_that_of_its_authors() -> None:
    # Pairs 1 and 25 of the authors' table.
    assert difference((50, 2.6772, -79.7751), (50, 0, -82.7485)) == pytest.approx(2.0425, abs=1e-4)
    assert difference((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387)) == pytest.approx(1.2644, abs=1e-4)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("sight", ["all", *SIGHT])
def test_series_are_told_apart_by_every_sight(theme: str, sight: str) -> None:
    colours = [tokens(theme)[f"c{hue}"] for hue in range(8)]
    least = min(difference(seen(one, sight), seen(other, sight)) for one, other in combinations(colours, 2))
    assert least >= 12
