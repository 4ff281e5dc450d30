"""Somebody who looks: who they are, what they see of others, what they may do. Pure.

How they are known is gate.py's; what is hidden from them, privacy.py's and data/queries/veil.py's.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from collector.settings import AccessSettings, TokenSettings
from webstat.privacy import Level, Veil

MOST_GROUPS = 64
"""Of a person that are looked at: they come from outside, and stand in the session's cookie."""


class Role(StrEnum):
    """What somebody may do."""

    PUBLIC = "public"
    """Not signed in."""
    VIEWER = "viewer"
    """Looks, and no more."""
    MEMBER = "member"
    """May also ask for a new report."""
    ADMIN = "admin"
    PROGRAM = "program"
    """Has a token, and may do what its scopes say."""


@dataclass(frozen=True)
class Viewer:
    """One who looks."""

    role: Role
    level: Level
    name: str | None = None
    """The user name on the clusters; of a program that of its token."""
    groups: frozenset[str] = frozenset()
    may_refresh: bool = False
    signed_in: bool = False
    until: float | None = None
    """When the session ends, unix seconds."""

    def veil(self, salt: bytes) -> Veil | None:
        """Through what they see the store; None where nothing is hidden."""
        if self.level is Level.FULL:
            return None
        person = self.signed_in and self.level is not Level.TOTALS
        return Veil(self.level, self.name if person else None, self.groups if person else frozenset(), salt)

    def __str__(self) -> str:
        return f"{self.role} {self.name}" if self.name else str(self.role)


EVERYBODY = Viewer(Role.PUBLIC, Level.FULL, may_refresh=True)
"""Who looks at a page that is open to all, and hides nothing."""

current: ContextVar[Viewer] = ContextVar("viewer", default=EVERYBODY)
"""Who made the request that is being answered; where it is drawn in a thread of its own, there too."""


def not_signed_in(settings: AccessSettings) -> Viewer:
    """Who is not known by name."""
    return Viewer(Role.PUBLIC, Level(settings.public_sees), may_refresh=settings.mode == "open")


def person(settings: AccessSettings, name: str, groups: Iterable[str], until: float | None = None) -> Viewer:
    """Who is known by name: an admin, a viewer, else a member."""
    own = frozenset(sorted(groups)[:MOST_GROUPS])
    if _among(settings.admins, name, own):
        role, sees = Role.ADMIN, settings.admin
    elif _among(settings.viewers, name, own):
        role, sees = Role.VIEWER, settings.viewer
    else:
        role, sees = Role.MEMBER, settings.member
    return Viewer(role, Level(sees), name, own, role is not Role.VIEWER, True, until)


def program(token: TokenSettings) -> Viewer:
    """Who has that token."""
    level = Level(token.sees) if "read" in token.scopes else Level.NONE
    return Viewer(Role.PROGRAM, level, token.name, may_refresh="refresh" in token.scopes)


def _among(listed: Iterable[str], name: str, groups: frozenset[str]) -> bool:
    return any(one.removeprefix("group:") in groups if one.startswith("group:") else one == name for one in listed)
