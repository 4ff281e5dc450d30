"""Time zones for text that prints local time without saying which: by name, or this host's own."""

from __future__ import annotations

import os
import time
import zoneinfo
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Optional

from agent.errors import SettingsError

_UTC_NAMES = frozenset({"UTC", "Etc/UTC", "Etc/UCT", "UCT", "GMT", "Etc/GMT", "Z", "Zulu", "Etc/Zulu"})


class LocalZone(tzinfo):
    """This host's zone as the C library has it (TZ or /etc/localtime), summer time included.

    The standard library offers only a fixed offset for it, which is wrong for the other half of the year.
    """

    def utcoffset(self, moment: Optional[datetime]) -> Optional[timedelta]:
        if moment is None:
            return None
        seconds = time.mktime(moment.replace(tzinfo=None).timetuple())
        return timedelta(seconds=time.localtime(seconds).tm_gmtoff)

    def dst(self, moment: Optional[datetime]) -> Optional[timedelta]:
        return None

    def tzname(self, moment: Optional[datetime]) -> Optional[str]:
        return "local"


def zone_named(name: Optional[str]) -> tzinfo:
    """The zone with this IANA name, the host's own for None; raises SettingsError."""
    if name is None:
        return LocalZone()
    if name in _UTC_NAMES:
        return timezone.utc  # needs no database
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        pass
    if not zoneinfo.available_timezones():
        raise SettingsError(
            f"time zone {name!r}: this host has no time zone database; install the package tzdata, "
            "or leave --timezone out to use the host's own zone"
        )
    raise SettingsError(f"time zone {name!r} is unknown; use an IANA name such as Europe/Athens or UTC")


def local_zone_name() -> str:
    """The IANA name of this host's zone, for a recording that is read elsewhere; UTC where it has none."""
    try:
        name = os.environ.get("TZ", "").lstrip(":") or str(Path("/etc/localtime").resolve()).split("/zoneinfo/")[1]
        zone_named(name)
    except (IndexError, OSError, SettingsError):
        return "UTC"
    return name
