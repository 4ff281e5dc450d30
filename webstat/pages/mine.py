"""How the viewer's own jobs are doing: a card of the overview, and the question who the viewer is."""

from __future__ import annotations

import pandas as pd
from dash import html

from webstat.addresses import jobs_page, user_page
from webstat.answers import cost
from webstat.components import joblist, smaller
from webstat.components.cards import card, empty
from webstat.components.text import Part, clock, foreign, link
from webstat.data import frames, people
from webstat.format import number, plural
from webstat.view import View

LISTED = 6


def mine(view: View, me: str) -> html.Section:
    """At most LISTED jobs of the viewer, whose user name is `me`, those first that need a look."""
    title, ident = "How are my jobs doing?", "q-mine"
    living = people.living(view.source, people.USER, me, view.clusters, view.now)
    name = foreign(me, 30)
    if living.empty:
        past = people.at(view.source, people.USER, me, view.clusters, view.now)
        nearest: list[Part] = ["Nothing of ", link(name, user_page(me)), " runs or waits."]
        if len(past.ended):
            nearest += [" The last job ended ", clock(past.ended["ended_at"].iloc[0], view), "."]
        elif past.last_day is None:
            nearest = ["Nobody called ", name, " has had a job here. ", _ask("Set another name")]
        return card(title, "", [empty("No job.", nearest), *_used(view, me)], ident)
    everything = link(f"All {plural(len(living), 'job')}", jobs_page(user=me))
    everything.className = "btn btn-outline-secondary text-nowrap"
    body = joblist.living(living.head(LISTED), "My jobs", view)
    shown = [body, *_used(view, me)]
    return card(title, [link(name, user_page(me)), _counts(living)], shown, ident, tools=everything)


def _used(view: View, me: str) -> list[Part]:
    """How well the jobs of the last days used what they asked for, and what asking for less would have meant."""
    used, kinds = people.used(view.source, people.USER, me, view.now)
    if not used.jobs:
        return []
    titles = {cluster.name: cluster.title for cluster in view.clusters}
    words = " ".join(cost.sentences(used, people.DAYS, titles))
    return [html.P(words, className="ws-wrap mt-3 mb-1"), *smaller.told(view, kinds)]


def _counts(living: pd.DataFrame) -> str:
    running = living[living["state"].isin(frames.IN_USE)]
    queued = int(living["state"].isin(frames.QUEUED).sum())
    held = int(living["state"].isin(frames.HELD).sum())
    rest = len(living) - len(running) - queued - held
    cores = plural(int(running["cores"].sum()), "core")
    words = [f"{number(len(running))} running ({cores})", f"{number(queued)} queued"]
    words += [f"{number(held)} held"] if held else []
    words += [f"{number(rest)} suspended or unknown"] if rest else []
    where = f", on {plural(living['cluster'].nunique(), 'cluster')}"
    first = "" if len(living) <= LISTED else f"; the {LISTED} that need a look first"
    return f": {', '.join(words)}{where}{first}"


def who_are_you() -> html.Div:
    """The question for a user name, while this browser remembers none."""
    return html.Div(
        [
            "Who are you? With your user name, this page shows how your jobs are doing. ",
            _ask("Set your user name"),
            " It is kept in this browser only.",
        ],
        className="ws-words text-body-secondary mb-3",
    )


def _ask(words: str) -> html.Button:
    return html.Button(words, className="btn btn-outline-secondary ws-me-ask mx-1", type="button")
