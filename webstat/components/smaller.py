"""What asking for less would have meant: of somebody's jobs told to them alone, of a group's jobs together to who sees all."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html

from webstat.addresses import history_page
from webstat.answers import smaller
from webstat.answers.smaller import Alike
from webstat.components.cards import note
from webstat.components.text import Part, link
from webstat.data import people
from webstat.data.explore.cut import CLASSES
from webstat.view import View


def told(view: View, kinds: Sequence[Alike], whose: str = "your", this: bool = False) -> list[Part]:
    """The best that some kinds of these jobs support, if any; `this` says they are as the job that is shown."""
    since = people.first_day(view.now)
    # Past moments have no history of their own; the store as it is knows more of then.
    found = smaller.best(view.live, view.live.clusters(), kinds, since, view.now)
    if found is None:
        return []
    kind = found.alike
    cluster = view.cluster(kind.cluster)
    own, waited = smaller.sentences(found, since, view.now, cluster.title if cluster else kind.cluster, whose, this)
    kept, key = (smaller.SIZE, kind.size) if kind.by == smaller.WALLTIME else (smaller.WALLTIME, kind.walltime)
    words = {"cluster": kind.cluster, "queue": kind.queue, kept: CLASSES[kept][key][0], "by": kind.by, "metric": "wait"}
    rest = [html.Div([waited, " ", link("These waits in History", history_page(**words))])]
    return [note("", own, rest, "hourglass-split", "mt-2 mb-2")]
