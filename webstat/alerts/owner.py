"""Whose rules somebody's are: their own by name who signed in; of an open page those of the browser's key."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collector.alerts.wishes import PERSON
from collector.settings import Settings
from webstat.access.viewer import Viewer

KEY_HEADER = "x-webstat-key"
"""Where a browser of an open page says its key: random, and made by itself."""

_KEY = re.compile(r"[A-Za-z0-9_-]{32,64}")
_ADDRESS_PART = re.compile(r"[A-Za-z0-9._+-]{1,64}")


@dataclass(frozen=True)
class Owner:
    """Who has rules: what the store calls them, where e-mails go, and which ways there are to tell them."""

    name: str
    mail: str | None
    channels: tuple[str, ...]


def owner_of(viewer: Viewer, settings: Settings, key: str, session: Mapping[str, Any]) -> Owner | None:
    """Who asks, by the key of the browser and the session; None for who can have no rules.

    A name that a browser remembers is no proof, so on an open page nothing is sent anywhere: the key is all that is known.
    """
    if viewer.signed_in and viewer.name:
        notify = settings.notify
        mail = mail_of(viewer.name, settings, session) if notify.smtp else None
        channels = ("browser", *(["webhook"] if notify.webhooks else []), *(["mail"] if mail else []))
        return Owner(PERSON + viewer.name, mail, channels)
    if settings.access.mode == "open" and _KEY.fullmatch(key):
        # The store has the hash alone: who reads it cannot act as this browser.
        return Owner(f"key:{hashlib.sha256(key.encode()).hexdigest()[:40]}", None, ("browser",))
    return None


def mail_of(name: str, settings: Settings, session: Mapping[str, Any]) -> str | None:
    """Where somebody may be written to: what their provider says, else what the site makes of their name."""
    told = session.get("mail")
    if isinstance(told, str) and told:
        return told
    if settings.notify.mail_to is None or not _ADDRESS_PART.fullmatch(name):
        return None
    return settings.notify.mail_to.replace("{user}", name)
