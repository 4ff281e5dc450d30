"""Tells systemd that a service is ready, alive, or ending: sd_notify(3), Type=notify. Nothing where systemd did not ask.

Of all three services; the agent may need no package for it.
"""

from __future__ import annotations

import logging
import os
import socket
from typing import Optional

_log = logging.getLogger("webstat.notify")


def ready(status: str) -> None:
    """The service answers from now on; `status` is a line for `systemctl status`."""
    _send(f"READY=1\nSTATUS={_line(status)}")


def alive(status: Optional[str] = None) -> None:
    """Sign of life for the watchdog, with a new status line where one is given."""
    _send("WATCHDOG=1" if status is None else f"WATCHDOG=1\nSTATUS={_line(status)}")


def stopping() -> None:
    """The service is about to end."""
    _send("STOPPING=1")


def watchdog_seconds() -> Optional[float]:
    """How often alive() is to be called: half of what the unit's WatchdogSec allows; None where nobody watches."""
    try:
        microseconds = int(os.environ.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    watched = os.environ.get("WATCHDOG_PID", "")
    return microseconds / 2e6 if microseconds > 0 and watched in ("", str(os.getpid())) else None


def _line(text: str) -> str:
    return " ".join(text.split())


def _send(message: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect("\0" + address[1:] if address[0] == "@" else address)
            channel.sendall(message.encode("utf-8", "replace"))
    except OSError as error:  # without systemd's ear the service serves all the same
        _log.warning("systemd could not be told: %s", error)
