"""Notices as an Atom feed (RFC 4287), for any reader that knows the address. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree

from collector.alerts.mail import one_line
from webstat.alerts.said import place
from webstat.data.queries.alerts import Notice

ATOM = "http://www.w3.org/2005/Atom"
KIND = "application/atom+xml"


def feed(notices: Sequence[Notice], secret: str, title: str, own: str, site: str) -> bytes:
    """The notices, newest first, as XML. `own` is the feed's address, `site` that of the site, without a slash at its end."""
    ElementTree.register_namespace("", ATOM)
    root = ElementTree.Element(f"{{{ATOM}}}feed")
    _add(root, "title", f"{title}: Tell me when")
    _add(root, "id", _name(secret))
    _add(root, "updated", _moment(notices[0].row.at if notices else 0))
    _add(root, "link", rel="self", type=KIND, href=own)
    _add(root, "link", rel="alternate", type="text/html", href=f"{site}/tell")
    _add(_add(root, "author"), "name", title)
    for one in notices:
        row = one.row
        entry = _add(root, "entry")
        _add(entry, "title", row.words)
        _add(entry, "id", _name(f"{secret} {row.id}"))
        _add(entry, "updated", _moment(row.at))
        _add(entry, "link", rel="alternate", type="text/html", href=site + place(row.kind, row.cluster, row.subject))
        _add(entry, "content", f"{row.words}.", type="text")
    body: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return body


def _add(parent: ElementTree.Element, tag: str, text: str | None = None, **attributes: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, f"{{{ATOM}}}{tag}", attributes)
    element.text = None if text is None else one_line(text)  # XML has no place for other characters
    return element


def _name(text: str) -> str:
    """Always the same for the same, and nothing can be told from it."""
    return uuid.uuid5(uuid.NAMESPACE_OID, text).urn


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
