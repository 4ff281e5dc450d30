"""Who did what: one line each in the log, by the logger `webstat.audit`, to be kept apart by whoever wants to."""

from __future__ import annotations

import logging

from webstat.access.viewer import Viewer

log = logging.getLogger("webstat.audit")


def audit(act: str, viewer: Viewer | str, address: str, **more: object) -> None:
    """Write that somebody did something: signed in or out, was refused, asked for a report, took a file.

    `more` are further pairs, by names of ours.
    """
    told = {"who": str(viewer), "address": address, **more}
    log.info(act + "".join(f" {name}=%s" for name in told), *(str(value) for value in told.values()))
