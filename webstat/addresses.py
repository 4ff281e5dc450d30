"""Where things are on this site: addresses of pages, from the names that strangers gave. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode


def cluster_page(cluster: str) -> str:
    """One cluster, live."""
    return f"/cluster/{_word(cluster)}"


def job_page(cluster: str, job_id: str) -> str:
    """One job, by its native id."""
    return f"/job/{_word(cluster)}/{_word(job_id)}"


def node_page(cluster: str, node: str) -> str:
    """One node."""
    return f"/node/{_word(cluster)}/{_word(node)}"


def user_page(user: str) -> str:
    """One user on all clusters."""
    return f"/user/{_word(user)}"


def group_page(group: str) -> str:
    """One group on all clusters."""
    return f"/group/{_word(group)}"


def tell_page(**words: str) -> str:
    """What somebody asks to be told of, with the form filled in: kind, cluster, subject, number."""
    return "/tell" + (f"?{urlencode(words)}" if words else "")


def jobs_page(**filters: str) -> str:
    """The table of jobs, filtered: q words, state a list divided by commas, and one cluster, queue, user, group,
    account, reason.
    """
    words = {name: value if name in ("q", "state") else item(value) for name, value in filters.items()}
    return "/jobs" + (f"?{urlencode(words)}" if words else "")


def history_page(**words: str) -> str:
    """History, filtered by one cluster, user, group …, or with other words of its address."""
    lists = ("cluster", "user", "group", "account", "queue")
    words = {name: item(word) if name in lists else word for name, word in words.items()}
    return "/history" + (f"?{urlencode(words)}" if words else "")


def jobs_behind_page(filters: Mapping[str, str], since: int | None = None, until: int | None = None) -> str:
    """The jobs behind a stretch of history (unix seconds), by the words of its address that filter; the stretch may follow."""
    words = dict(filters) if since is None else {**filters, "from": str(since), "to": str(until)}
    return f"/history/jobs?{urlencode(words)}"


def item(name: str) -> str:
    """A name as one item of a list divided by commas."""
    return name.replace("%", "%25").replace(",", "%2C")


def _word(text: str) -> str:
    # A browser would resolve a path of dots before it asks.
    return quote(text, safe="").replace(".", "%2E") if text in (".", "..") else quote(text, safe="")
