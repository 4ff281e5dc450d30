"""What changed in the last 24 hours and what is coming, over all clusters: a card of the overview."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html

from webstat.addresses import cluster_page, user_page
from webstat.components.cards import card, empty
from webstat.components.text import Part, clock, foreign, icon, link, person, sentence, strong
from webstat.data import changes
from webstat.data.changes import Event, Name
from webstat.view import View

LISTED = 10
ICONS = {
    "silent": ("wifi-off", "st-bad"),
    "new": ("broadcast", "st-ok"),
    "back": ("check-lg", "st-ok"),
    "down": ("x-lg", "st-bad"),
    "offline": ("wrench", "st-warn"),
    "unknown": ("question-lg", "st-warn"),
    "open": ("check-lg", "st-ok"),
    "closed": ("slash-circle", "st-warn"),
    "arrived": ("arrow-up-right", ""),
    "kept": ("bookmark", ""),
    "coming": ("calendar-event", "st-warn"),
}
"""Kind of event -> icon and tone."""


def changed(view: View) -> html.Section:
    """The newest LISTED events of all clusters."""
    told = [(cluster.name, event) for cluster in view.clusters for event in changes.at(view.source, cluster, view.now)]
    events = changes.newest_first(told, LISTED)
    title, ident = "What changed?", "q-changed"
    subtitle = view.moment("last 24 h, and what is coming", "the 24 h before")
    if not events:
        nothing = "Every cluster answered, and no node left or came back"
        nothing += view.moment("; no reservation is near.", "; reservations of then are not kept.")
        return card(title, subtitle, [empty("Nothing changed.", nothing)], ident)
    rows = [_row(clusters, event, view) for clusters, event in events]
    return card(title, subtitle, [html.Ol(rows, className="list-unstyled ws-words mb-0")], ident)


def _row(clusters: Sequence[str], event: Event, view: View) -> html.Li:
    symbol, tone = ICONS[event.kind]
    words: list[Part] = [strong("Coming: ")] if event.coming else []
    for place, name in enumerate(clusters):
        cluster = view.cluster(name)
        title = foreign(cluster.title if cluster else name, 24)
        words += [", " if place else "", strong(link(title, cluster_page(name), quiet=True))]
    words += [" ", *(_word(word, view) for word in event.words)]
    return html.Li(
        [
            html.Span(clock(event.at, view), className="ws-sub"),
            html.Span(icon(symbol, tone)),
            html.Span(words, className="ws-said"),
        ],
        className="ws-change",
    )


def _word(word: object, view: View) -> Part:
    if isinstance(word, Name):
        return link(person(word.text), user_page(word.text), quiet=True) if word.is_user else foreign(word.text, 80)
    return word if isinstance(word, str) else sentence([word], view)[0]
