"""Which store this is: another one for every other store, and for one that was put in its place from a backup."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, text

from webstat.data.queries.engine import connected

_SERVER = text(
    "SELECT (SELECT system_identifier FROM pg_control_system()), (SELECT timeline_id FROM pg_control_checkpoint()), "
    "(SELECT oid FROM pg_database WHERE datname = current_database())"
)


def identity_of(engine: Engine, file: Path | None) -> Callable[[], str]:
    """What says the identity of the store in `file`, else of that in PostgreSQL: the same to all that read it.

    It is asked again and again, and raises OSError where there is no file, StoreEmpty or StoreBroken.
    """
    return _Database(engine) if file is None else lambda: _of_file(file)


def _of_file(file: Path) -> str:
    found = file.stat()
    return f"{socket.gethostname()}:{file.resolve()}:{found.st_dev}:{found.st_ino}"


class _Database:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: str | None = None
        # However a server is put back to an earlier state, connections do not outlive it.
        event.listen(engine, "connect", self._forget)

    def __call__(self) -> str:
        if self._known is None:
            with connected(self._engine) as connection:
                known = ":".join(str(part) for part in connection.execute(_SERVER).one())
            self._known = known
            return known
        return self._known

    def _forget(self, *_: Any) -> None:
        self._known = None
