"""What webstat.toml says of keys, loaded: for the collector's two sockets, and for the web process that speaks to them.

Key files are agent/keys.py's, CURVE on sockets agent/curve.py's, the agents' keys client.py's business.
"""

from __future__ import annotations

from pathlib import Path

import zmq.asyncio

from agent.curve import Allowed, Door, is_local
from agent.errors import KeysError
from agent.keys import KeyPair, load_secret
from collector.errors import SettingsError
from collector.settings import CollectorSettings


def own_pair(file: Path | None, table: str) -> KeyPair | None:
    """The pair of a table's secret_key_file, None where it has none; raises SettingsError."""
    try:
        return load_secret(file) if file is not None else None
    except KeysError as error:
        raise SettingsError(f"[{table}] secret_key_file: {error}") from None


def allowed_keys(collector: CollectorSettings) -> Allowed:
    """Which web processes may come in; raises SettingsError."""
    try:
        return Allowed(collector.allow)
    except KeysError as error:
        raise SettingsError(f"[collector] allow: {error}") from None


def check_exposure(collector: CollectorSettings) -> None:
    """Refuse sockets that others can reach without keys; raises SettingsError."""
    if collector.allow or collector.insecure:
        return
    for key, endpoint in (("announce", collector.announce), ("refresh", collector.refresh)):
        if not is_local(endpoint):
            raise SettingsError(
                f"[collector] {key} = {endpoint!r} can be reached from other hosts, and there are no keys: give "
                "secret_key_file and allow (python -m collector keys makes them), or write tcp://127.0.0.1:PORT; "
                "insecure = true lets anybody hear and ask"
            )


def open_door(context: zmq.asyncio.Context, collector: CollectorSettings) -> Door | None:
    """Who may hear and ask the collector; None where everybody may who reaches it. Raises SettingsError."""
    check_exposure(collector)
    own = own_pair(collector.secret_key_file, "collector") if collector.allow else None
    return Door(context, own, allowed_keys(collector)) if own is not None else None
