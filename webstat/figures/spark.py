"""Sparklines: an SVG data URI used as a CSS mask, so that it takes its colour from the theme."""

from __future__ import annotations

import pandas as pd

from webstat.figures.stack import runs

WIDTH, HEIGHT = 400, 44


def spark_figure(share: pd.Series, until: float) -> str | None:
    """Mask of a series of shares (0 to 1) over regular steps; None where nothing is known.

    The index holds the steps' first seconds; gaps are left empty. 1 is the upper edge.
    """
    if share.notna().sum() == 0:
        return None
    step = share.index[1] - share.index[0]
    width = until - share.index[0]
    paths = []
    for start, stop in runs(share):
        values = [*share.iloc[start:stop], share.iloc[stop - 1]]
        across = [
            min(WIDTH, (share.index[0] + step * (start + place) - share.index[0]) / width * WIDTH)
            for place in range(len(values))
        ]
        heights = [1 + (HEIGHT - 1) * (1 - min(1.0, max(0.0, value))) for value in values]
        line = "L".join(f"{x:.0f},{y:.1f}" for x, y in zip(across, heights, strict=True))
        paths.append(f"<path d='M{line}L{across[-1]:.0f},{HEIGHT}L{across[0]:.0f},{HEIGHT}Z' fill-opacity='.22'/>")
        paths.append(
            f"<path d='M{line}' fill='none' stroke='#000' stroke-width='1.5' vector-effect='non-scaling-stroke'/>"
        )
    box = f"viewBox='0 0 {WIDTH} {HEIGHT}' preserveAspectRatio='none'"
    drawing = f"<svg xmlns='http://www.w3.org/2000/svg' {box}>{''.join(paths)}</svg>"
    return "data:image/svg+xml," + drawing.replace("<", "%3C").replace(">", "%3E").replace("#", "%23")
