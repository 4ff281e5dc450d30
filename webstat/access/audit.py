"""Who did what: one line each in the log, by the logger `webstat.audit`, to be kept apart by whoever wants to."""

from __future__ import annotations

import json
import logging

from webstat.access.viewer import Viewer

log = logging.getLogger("webstat.audit")


def audit(act: str, viewer: Viewer | str, address: str, **more: object) -> None:
    """Write that somebody did something: signed in or out, was refused, asked for a report, took a file.

    Texts are quoted, so that none can pretend to be a line of its own.
    """
    told = {"who": str(viewer), "address": address, **more}
    log.info("%s %s", act, " ".join(f"{name}={json.dumps(str(value))}" for name, value in told.items()))
