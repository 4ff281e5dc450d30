"""Who gets which hue: one pure function for users, queues and clusters, the same for every viewer and chart.

Hues are numbers 1 to 7 of the tokens c1 to c7. Colour is identity here, never a state.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zlib import crc32

from webstat import privacy
from webstat.theme import tokens

HUES = 7


@dataclass(frozen=True)
class Shade:
    """How one name is drawn: its hue (0 is the grey of others) and its texture."""

    hue: int
    texture: int = 0
    """PLAIN, STRIPED or DOTTED."""


PLAIN, STRIPED, DOTTED = range(3)
OTHERS = Shade(0)


def first_hue(name: str) -> int:
    """The hue a name would like, from the name alone."""
    return 1 + crc32(name.encode("utf-8", "surrogatepass")) % HUES


def hues(weights: Iterable[tuple[str, str, float]]) -> dict[str, int]:
    """Name -> hue from (name, cluster, core-hours) rows.

    Heaviest first, each takes the hue with the least core-hours already on it on its own clusters;
    ties go to the first at or after the hue of its name.
    """
    clusters: dict[str, list[str]] = defaultdict(list)
    total: dict[str, float] = defaultdict(float)
    by_cluster: dict[tuple[str, str], float] = defaultdict(float)
    for name, cluster, hours in weights:
        clusters[name].append(cluster)
        total[name] += hours
        by_cluster[name, cluster] += hours
    taken: dict[tuple[str, int], float] = defaultdict(float)
    chosen: dict[str, int] = {}
    for name in sorted(total, key=lambda name: (-total[name], name)):
        wish = first_hue(name) - 1
        order = [1 + (wish + step) % HUES for step in range(HUES)]
        own = set(clusters[name])
        hue = min(order, key=lambda hue: sum(taken[cluster, hue] for cluster in own))
        chosen[name] = hue
        for cluster in own:
            taken[cluster, hue] += by_cluster[name, cluster]
    return chosen


def shades(names: Iterable[str], known: Mapping[str, int]) -> dict[str, Shade]:
    """Shade of each name shown in one chart, heaviest first; at most seven are coloured.

    Where two share a hue the later one is striped, a third one dotted; a fourth keeps the dots, its direct label
    tells it apart.
    """
    result: dict[str, Shade] = {}
    used: Counter[int] = Counter()
    for place, name in enumerate(names):
        if place >= HUES or name == privacy.OTHERS:
            result[name] = OTHERS
            continue
        hue = known.get(name) or first_hue(name)
        result[name] = Shade(hue, min(used[hue], DOTTED))
        used[hue] += 1
    return result


def colour(shade: Shade, theme: str) -> str:
    """Hex value of a shade in a theme."""
    return tokens(theme)[f"c{shade.hue}"]
