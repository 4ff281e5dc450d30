"""Whether this process should be given requests: what /readyz answers, each thing with its words.

A store that is away is away for all: pages say so themselves, so that is no reason to give them to nobody. That it lives is /healthz's to say: who is alive and not ready needs no restart, but should be given no viewers.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from webstat.data.queries import store
from webstat.data.source import Source
from webstat.errors import StoreEmpty, WebError
from webstat.static import Assets

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Check:
    """One thing that is needed to serve, and how it is."""

    name: str
    ok: bool
    words: str
    elsewhere: bool = True
    """Whether another process would serve better, where it is not ok."""


def words_of(error: WebError, frank: bool) -> str:
    """Why the store cannot be read; a database's own words may name its host and user, and are for the log unless `frank`."""
    if frank:
        return str(error)
    log.warning("store cannot be read error=%s", error)
    return "the log says why"


def check_store(source: Source, frank: bool = True) -> Check:
    """Whether the store can be read, and is of the schema that this version reads."""
    try:
        found = source.ask(store.load_revision)
        source.clusters()
    except StoreEmpty as error:
        return Check(
            "store", False, f"there is none yet: {words_of(error, frank)}; the collector makes it", elsewhere=False
        )
    except WebError as error:
        return Check("store", False, f"it cannot be read: {words_of(error, frank)}", elsewhere=False)
    known = store.known_schemas()
    if found == known[0]:
        return Check("store", True, f"it can be read, and has schema {found}")
    if found is None:
        return Check("store", False, "there is none yet; the collector makes it", elsewhere=False)
    if found in known:
        return Check("store", False, f"it has schema {found}, needed is {known[0]}; start this version's collector")
    return Check(
        "store", False, f"it has schema {found} of a newer webstat, known is {known[0]}; install the newer one"
    )


def check_assets(assets: Assets) -> Check:
    """Whether there are files for browsers."""
    return Check("assets", len(assets) > 0, f"{len(assets)} files are in memory")


def check_hub(listening: asyncio.Task[None] | None) -> Check:
    """Whether the loop runs that hears the collector and tells browsers."""
    if listening is None:
        return Check("hub", False, "it has not been started yet")
    if listening.done():
        return Check("hub", False, "it has ended, so browsers hear of no news; the log says why; restart this process")
    return Check("hub", True, "it runs")


def check_draining(draining: bool) -> Check:
    """Whether it is to go on."""
    return Check(
        "draining", not draining, "it was told to end, and serves on for a moment" if draining else "it goes on"
    )
