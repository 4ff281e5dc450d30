"""The site in one table: a page is a path, a title, its menu entry, and the function that draws it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from webstat.components import nav
from webstat.format import shorten
from webstat.pages import cluster, free, health, history, history_jobs, job, jobs, node, overview, people, tell
from webstat.view import View

CLUSTER = "cluster"
"""The word of a path that names a cluster."""


@dataclass(frozen=True)
class Page:
    """One page; `<word>` in its path is passed to `layout` by that name and may stand in its title.

    `layout(view, **words)` gives the page's body as a list, or None where what the words name does not exist.
    """

    path: str
    title: str
    entry: str
    layout: Callable[..., Any]
    personal: bool = False
    """Whether it shows something else to each viewer; what is only marked as theirs, the browser marks."""

    live: bool = True
    """Whether it shows what is, and so any past moment as well."""

    def match(self, path: str) -> dict[str, str] | None:
        """The words of a path that is this page's, else None."""
        pattern = re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", self.path)
        found = re.fullmatch(pattern, path)
        return None if found is None else {name: unquote(word) for name, word in found.groupdict().items()}

    def title_of(self, view: View, words: dict[str, str]) -> str:
        """The title with its words filled in, clusters by what people call them, `<moment>` by now or then."""
        named = view.cluster(words.get(CLUSTER, ""))
        filled = {**words, CLUSTER: named.title if named else words.get(CLUSTER, ""), "moment": view.moment()}
        return re.sub(r"<(\w+)>", lambda word: shorten(filled.get(word[1], ""), 60), self.title)


Found = tuple[Page, dict[str, str]]
"""A page, and the words that an address has for it."""

PAGES = (
    Page("/", "Overview", nav.OVERVIEW, overview.layout, personal=True),
    Page("/cluster/<cluster>", "<cluster>", nav.CLUSTERS, cluster.layout),
    Page("/free", "Free <moment>", nav.FREE, free.layout),
    Page("/jobs", "Jobs", nav.JOBS, jobs.layout),
    Page("/job/<cluster>/<job>", "<job>", nav.JOBS, job.layout, personal=True),
    Page("/node/<cluster>/<node>", "<node>", nav.CLUSTERS, node.layout),
    Page("/user/<user>", "<user>", nav.JOBS, people.user_layout, personal=True),
    Page("/group/<group>", "<group>", nav.JOBS, people.group_layout),
    Page("/history", "History", nav.HISTORY, history.layout, live=False),
    Page("/history/jobs", "Jobs of the past", nav.HISTORY, history_jobs.layout, live=False),
    Page("/tell", "Tell me when", "", tell.layout, live=False),
    Page("/health", "Health", nav.HEALTH, health.layout, live=False),
)


def find(path: str) -> Found | None:
    """The page at a path, and the words in it."""
    bare = path.rstrip("/") or "/"
    for page in PAGES:
        words = page.match(bare)
        if words is not None:
            return page, words
    return None
