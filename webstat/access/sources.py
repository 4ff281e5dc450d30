"""The store as each who looks may see it: one Source for those who see all, and one for each veil."""

from __future__ import annotations

import threading
from collections import OrderedDict

from collector.settings import Settings
from webstat.access.viewer import Viewer
from webstat.cache import Memory
from webstat.data.source import Source
from webstat.privacy import Veil
from webstat.secret import load_secret

MOST = 32
"""Veils that are kept, those used last: each signed-in person may have one."""

RESULTS = 128
"""What each of them remembers."""


class Sources:
    """All of one process; for all threads."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError where pseudonyms need a secret that cannot be had."""
        self.settings = settings
        needed = settings.access.needs_secret and settings.web.secret_file is not None
        self._salt = load_secret(settings.web.secret_file, "pseudonyms") if needed else b""
        self.full = Source(settings)
        """Without a veil."""
        self._veiled: OrderedDict[Veil, Source] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, viewer: Viewer) -> Source:
        """The store as somebody may see it."""
        return self.through(viewer.veil(self._salt))

    def through(self, veil: Veil | None) -> Source:
        """The store through a veil."""
        if veil is None:
            return self.full
        with self._lock:
            source = self._veiled.get(veil)
            if source is None:
                source = self._veiled[veil] = Source(
                    self.settings, Memory(RESULTS), veil=veil, shared=self.full.shared, counted=self.full.counted
                )
                while len(self._veiled) > MOST:
                    self._veiled.popitem(last=False)  # it is closed when the last who uses it is done
            self._veiled.move_to_end(veil)
            return source

    def close(self) -> None:
        """Give back all connections."""
        for source in (self.full, *self._veiled.values()):
            source.close()
