"""CURVE on sockets: who may come in, and how a peer knocks. Collector and page use it too; key files are keys.py's."""

from __future__ import annotations

import logging
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, FrozenSet, Iterable, List, Optional, Set, Tuple

import zmq
from zmq.auth.thread import ThreadAuthenticator

from agent.errors import KeysError
from agent.keys import KeyPair, load_allowed, read_allowed

_log = logging.getLogger("webstat.keys")

_DOMAIN = "webstat"
_LOOPBACK = re.compile(r"tcp://(127(\.\d{1,3}){3}|localhost|\[::1\]):")
_SAY_AGAIN_SECONDS, _MOST_SAID = 60.0, 1000


def is_local(endpoint: str) -> bool:
    """Whether only this host can reach an address."""
    return endpoint.startswith("ipc://") or _LOOPBACK.match(endpoint) is not None


@dataclass(frozen=True)
class Peer:
    """Where a server listens, its public key, and our own pair; no keys is an open connection."""

    endpoint: str
    server_key: Optional[bytes] = None
    own: Optional[KeyPair] = None

    def connect(self, socket: zmq.Socket[Any]) -> None:
        """Connect a client's socket; raises KeysError where one side alone has keys, and ZMQError."""
        if self.server_key is not None and self.own is None:
            raise KeysError(f"{self.endpoint} takes keys only, and this side has none")
        if self.own is not None:
            if self.server_key is None:
                raise KeysError(f"{self.endpoint} has no key, and this side speaks to none without")
            socket.curve_serverkey = self.server_key
            socket.curve_publickey, socket.curve_secretkey = self.own.public, self.own.secret
        socket.connect(self.endpoint)


class Allowed:
    """The public keys that may come in, read again when a file or folder has changed. May be asked by several threads."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """Files and folders as load_allowed takes them; raises KeysError as it does."""
        self._paths = tuple(paths)
        self._lock = threading.Lock()
        self._seen = _look(self._paths)
        self._keys = load_allowed(self._paths)

    def now(self) -> FrozenSet[bytes]:
        """The keys that may come in now. What cannot be read any more lets nobody in, and is said in the log."""
        with self._lock:
            seen = _look(self._paths)  # before reading: what changes meanwhile is seen the next time
            if seen != self._seen:
                keys, wrong = read_allowed(self._paths)
                for error in wrong:
                    _log.error("allowed keys: %s", error)
                new, gone = len(keys - self._keys), len(self._keys - keys)
                if new or gone:
                    _log.info("allowed keys read again: %d, of them %d new; %d taken away", len(keys), new, gone)
                self._seen, self._keys = seen, keys
            return self._keys


class Door:
    """Answers libzmq's question who may come in (ZAP), for the sockets of one context; in a thread: also while commands run."""

    def __init__(self, context: zmq.Context[Any], own: KeyPair, allowed: Allowed) -> None:
        self._own = own
        self._allowed = allowed
        self._came: Set[bytes] = set()
        self._said: Dict[bytes, float] = {}
        self._authenticator = ThreadAuthenticator(context, log=logging.getLogger("webstat.door"))
        self._authenticator.start()
        self._authenticator.configure_curve_callback(domain=_DOMAIN, credentials_provider=self)

    @property
    def public_key(self) -> str:
        """What peers must know of this side."""
        return self._own.public.decode("ascii")

    @property
    def keys(self) -> FrozenSet[bytes]:
        """The public keys that may come in now."""
        return self._allowed.now()

    def guard(self, socket: zmq.Socket[Any]) -> None:
        """Let only allowed peers into a socket; before it is bound."""
        socket.curve_server = True
        socket.curve_secretkey, socket.curve_publickey = self._own.secret, self._own.public
        socket.zap_domain = _DOMAIN.encode("ascii")

    def lets_in(self, frame: zmq.Frame) -> bool:
        """Whether who sent this is still allowed: a connection outlives the key that opened it."""
        return self.callback(_DOMAIN, str(frame.get("User-Id")).encode("ascii", "replace"))

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether the peer with this public key may come in; called by pyzmq, in its thread."""
        known = key in self.keys
        if known:
            self._came.add(key)
        elif time.monotonic() - self._said.get(key, -_SAY_AGAIN_SECONDS) >= _SAY_AGAIN_SECONDS:
            if len(self._said) >= _MOST_SAID:
                self._said.clear()
            self._said[key] = time.monotonic()
            _log.warning("peer not allowed: public key %s", key.decode("ascii", "replace"))
        return known

    def has_gone(self) -> bool:
        """Whether a key that has come in is allowed no more; each is told once."""
        gone = self._came - self.keys
        self._came -= gone
        return bool(gone)

    def close(self) -> None:
        """End the thread."""
        self._authenticator.stop()


def _look(paths: Tuple[Path, ...]) -> List[Tuple[Any, ...]]:
    """What changes when a key file does, or who may write it."""
    found: List[Tuple[Any, ...]] = []
    for path in paths:
        for file in (path, *sorted(path.glob("*.key"))):
            try:
                one, folder = file.stat(), file.parent.stat()
            except OSError as error:
                found.append((file, error.errno))
            else:
                times = (one.st_mtime_ns, one.st_ctime_ns)
                found.append((file, *times, one.st_size, one.st_mode, one.st_ino, folder.st_mode))
    return found
