"""How well a cluster is known, as a pill and as a sentence: icon and word first, colour third."""

from __future__ import annotations

from collections.abc import Sequence

from dash import dcc, html

from webstat.components.cards import note
from webstat.components.text import Part, age, clock, icon, link, sentence, until
from webstat.health import Cluster, Health, State, worst
from webstat.view import View

TONES = {
    State.LIVE: ("ok", "broadcast"),
    State.PARTIAL: ("warn", "exclamation-triangle-fill"),
    State.LATE: ("warn", "hourglass-split"),
    State.NEW: ("", "hourglass"),
    State.REFUSED: ("bad", "key"),
    State.SILENT: ("bad", "wifi-off"),
}
WORDS = {
    State.LIVE: "live",
    State.PARTIAL: "partial",
    State.LATE: "late",
    State.NEW: "no report yet",
    State.REFUSED: "refused",
    State.SILENT: "silent",
}


def pill(cluster: Cluster, view: View, long: bool = False) -> html.Span:
    """The state of one cluster and the age of its data; `long` adds when the next report is due."""
    health = view.health(cluster)
    if view.at is not None and cluster.taken_at is not None and not health.stale:
        return (
            past_pill(cluster.taken_at, view)
            if long
            else html.Span([icon("clock-history"), "past"], className="ws-pill warn")
        )
    tone, symbol = TONES[health.state]
    return html.Span([icon(symbol), html.Span(_pill_words(cluster, health, view, long))], className=f"ws-pill {tone}")


def past_pill(at: float, view: View) -> html.Span:
    """Which moment of the past is shown, instead of how new the data are."""
    return html.Span(
        [icon("clock-history"), html.Span(["past: ", clock(at, view, view.real_now)])], className="ws-pill warn"
    )


def _pill_words(cluster: Cluster, health: Health, view: View, long: bool) -> list[Part]:
    if cluster.taken_at is None:
        return [WORDS[health.state] if health.state is not State.SILENT else "never seen"]
    if health.state is State.SILENT:
        return ["last seen ", age(cluster.taken_at, view), " ago"]
    words = [WORDS[health.state], " · data " if long else " · ", age(cluster.taken_at, view), " old" if long else ""]
    if long and cluster.next_poll_at is not None and cluster.next_poll_at > view.now and not health.stale:
        words += [" · next in ", until(cluster.next_poll_at, view)]
    return words


def trouble(cluster: Cluster, view: View, extra: str = "", details: bool = True) -> html.Div | None:
    """The sentence about a cluster that is not live, with a link to its details; None for one that is live."""
    health = view.health(cluster)
    if health.state is State.LIVE:
        return None
    tone, symbol = TONES[health.state]
    rest = sentence(health.rest, view)
    if details and health.state is not State.NEW and view.at is None:  # its details are those of now
        rest = [*rest, " ", link("Details", f"/health#{cluster.name}")]
    return note(tone, health.matter, rest, "clock-history" if health.state is State.LATE else symbol, extra)


def headline(clusters: Sequence[Cluster], view: View) -> dcc.Link:
    """The pill in the bar: how many clusters are live, else the worst; leads to Health."""
    states = [view.health(cluster).state for cluster in clusters]
    state = worst(states)
    total = len(states)
    # Whoever refuses does not answer either: in one number they belong together.
    count = (
        sum(one in (State.SILENT, State.REFUSED) for one in states) if state is State.SILENT else states.count(state)
    )
    tone, symbol = TONES[state]
    if state is State.LIVE:
        long, short = f"{total} {'cluster' if total == 1 else 'clusters'} live", f"{total} live"
    elif total == 1:
        long = short = WORDS[state] if state is State.NEW else f"cluster {WORDS[state]}"
    else:
        long = f"{count} of {total} clusters{':' if state is State.NEW else ''} {WORDS[state]}"
        short = f"{count} {WORDS[state]}"
        if tone == "bad" and count < total:
            # Some answer: a reason to look, not an outage.
            tone, symbol = "warn", "exclamation-triangle-fill"
    newest = max((cluster.taken_at for cluster in clusters if cluster.taken_at is not None), default=None)
    text: list[Part] = [html.Span(long, className="d-none d-lg-inline"), html.Span(short, className="d-lg-none")]
    if newest is not None:
        text.append(html.Span([" · ", age(newest, view)], className="d-lg-none"))
    return dcc.Link([icon(symbol), html.Span(text)], href="/health", className=f"ws-pill {tone} text-decoration-none")
