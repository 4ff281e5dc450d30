"""/data/find: what the search box suggests while somebody types; what fits is data/find.py's to say."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from collector.rows import split_id
from webstat.api.answers import answer_once
from webstat.api.asked import Asking
from webstat.cache import Newest
from webstat.data import find
from webstat.data.find import Index
from webstat.data.queries.find import load_ended_by_number, load_names
from webstat.data.source import Source
from webstat.health import Cluster


def router() -> APIRouter:
    """The route; names are read once per report, ended jobs at each question."""
    routes = APIRouter()
    indexes = Newest()

    @routes.get("/data/find")
    def suggestions(request: Request, source: Asking, q: str = "") -> Response:
        question = find.asked(q)
        found: list[find.Suggestion] = []
        if question:
            clusters = source.clusters()
            ordered = [
                indexes.get((source.veil, one.name), (one.id, one.report), lambda one=one: _index(source, one))
                for one in clusters
            ]
            known = {kind: source.hues(time.time(), by=kind) for kind in ("user", "group") if _seen(clusters)}
            found = find.suggest(question, ordered, known, _ended(source, clusters, question))
        return answer_once(request, orjson.dumps([asdict(one) for one in found]))

    return routes


def _index(source: Source, cluster: Cluster) -> Index:
    about = cluster.name, cluster.title, cluster.scheduler
    if not cluster.report:
        return Index(*about)
    names = source.ask(load_names, cluster.id or 0)
    return find.index(*about, names, source.totals(cluster), source.queues(cluster), source.nodes(cluster))


def _ended(source: Source, clusters: Sequence[Cluster], question: str) -> list[find.Ended]:
    seen = {one.id: one for one in _seen(clusters)}
    if not seen or not find.may_be_number(question):
        return []
    number, _ = split_id(question)
    rows = source.ask(load_ended_by_number, list(seen), number, find.MOST)
    return [(seen[row.cluster_id].name, seen[row.cluster_id].title, row) for row in rows]


def _seen(clusters: Sequence[Cluster]) -> list[Cluster]:
    return [one for one in clusters if one.id is not None and one.report]
