"""The colour tokens of both themes, for figures; what a hue or a judgement means is in the style sheet.

The same hex values stand in assets/webstat.css as `--ws-<name>`; a test compares the two.
"""

from __future__ import annotations

THEMES = ("light", "dark")

LIGHT: dict[str, str] = {
    "bg": "#F4F6F8",
    "surface": "#FFFFFF",
    "sunken": "#EEF2F5",
    "line": "#DCE2E8",
    "edge": "#75818D",
    "ink": "#16202A",
    "ink-2": "#4D5965",
    "work": "#0072B2",
    "work-ink": "#00598C",
    "wait": "#B9DAEF",
    "held": "#8A949F",
    "free": "#FFFFFF",
    "off": "#75818D",
    "ok": "#007A59",
    "ok-bg": "#E3F4EE",
    "warn": "#7D5200",
    "warn-bg": "#FFF2D6",
    "warn-edge": "#B57700",
    "bad": "#B03A00",
    "bad-bg": "#FDEBE3",
    "bad-fill": "#D55E00",
    "c0": "#C9D0D7",
    "c1": "#CB7F00",
    "c2": "#319CE1",
    "c3": "#048370",
    "c4": "#A970A0",
    "c5": "#4955B8",
    "c6": "#756601",
    "c7": "#96494D",
    "r0": "#FFFFFF",
    "r1": "#DCEBF6",
    "r2": "#A9D0EA",
    "r3": "#5FA9D6",
    "r4": "#1A78B3",
    "r5": "#00527F",
    "r-ink": "#16202A",
    "r-ink-2": "#FFFFFF",
}

DARK: dict[str, str] = {
    "bg": "#0F1318",
    "surface": "#171C22",
    "sunken": "#20262E",
    "line": "#2C343D",
    "edge": "#7C8793",
    "ink": "#E6EAEE",
    "ink-2": "#A9B4BF",
    "work": "#3E9AD6",
    "work-ink": "#7CC0EC",
    "wait": "#1A4763",
    "held": "#7C8793",
    "free": "#171C22",
    "off": "#7C8793",
    "ok": "#4CCBA0",
    "ok-bg": "#12302A",
    "warn": "#FFCB66",
    "warn-bg": "#33290F",
    "warn-edge": "#B9862A",
    "bad": "#FF9A6B",
    "bad-bg": "#3A2015",
    "bad-fill": "#F07A3C",
    "c0": "#454F5A",
    "c1": "#BC8300",
    "c2": "#76C1F6",
    "c3": "#40A184",
    "c4": "#B183AF",
    "c5": "#5674D4",
    "c6": "#BBC051",
    "c7": "#A05C43",
    "r0": "#171C22",
    "r1": "#1C3040",
    "r2": "#20445E",
    "r3": "#265C80",
    "r4": "#3684B8",
    "r5": "#5AA8DA",
    "r-ink": "#E6EAEE",
    "r-ink-2": "#0B1218",
}

FONT = '-apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif'


def tokens(theme: str) -> dict[str, str]:
    """Token name -> hex value of "light" or "dark"."""
    return DARK if theme == "dark" else LIGHT


def lightness(colour: str) -> float:
    """Relative luminance (WCAG) of a hex colour, 0 to 1."""

    def linear(channel: str) -> float:
        value = int(channel, 16) / 255
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(colour[at : at + 2]) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio (WCAG) of two hex colours, 1 to 21."""
    low, high = sorted((lightness(one), lightness(other)))
    return (high + 0.05) / (low + 0.05)
