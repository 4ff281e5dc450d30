"""Results that several web processes share in memcached, behind what each remembers itself (cache.py).

Whoever reaches memcached can write there: only what is signed with our secret, for the very key, is taken. A memcached
that is slow, full or gone costs time and nothing else: it is left alone for some seconds, and results are made here.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import pickle
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from dogpile.cache import make_region, register_backend
from dogpile.cache.api import NO_VALUE, BytesBackend, CacheMutex, CantDeserializeException
from isal import isal_zlib
from pymemcache.client.base import PooledClient

from webstat.errors import WebError

log = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_SECONDS = 0.1
"""How long memcached may take to be connected to, and to answer."""
REST_SECONDS = 3.0
"""How long it is left alone when it did not."""
KEPT_SECONDS = 3600
"""Keys name reports, so nothing becomes wrong; this is when it goes at the latest."""
WORTH_SECONDS = 0.003
"""What is made sooner is not put there: reading it back takes as long."""
LARGEST, WORTH_COMPRESSING = 1_000_000, 16_384
"""Bytes: memcached takes no more in one value; and what is compressed."""
CLAIM_SECONDS, PATIENCE_SECONDS = 2, 0.5
"""How long one process may say that it makes a result, and how long others wait for it before they make it too."""

_ROOT = Path(__file__).resolve().parent.parent
_BACKEND = "webstat.memcached"


class Shared:
    """What web processes share; one for all threads."""

    def __init__(self, servers: Sequence[str], secret: bytes, scope: Callable[[], str]) -> None:
        """`scope` says what all results rest on and keys do not name: this code, these settings, that store."""
        register_backend(_BACKEND, __name__, _Memcached.__name__)
        self._scope = scope
        self._region = make_region(serializer=_Made.pack, deserializer=_Made.unpack).configure(
            _BACKEND, arguments={"servers": servers, "secret": secret}
        )

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The result for `key`, made by `make` where it is not there; what `make` raises is not kept.

        Of several processes that ask at once, one makes it, and the others wait a little.
        """
        try:
            name = hashlib.sha256(f"{self._scope()}\n{words_of(key)}".encode()).hexdigest()
        except (OSError, WebError):  # there is no store: who makes it says so
            return make()
        except TypeError as error:
            log.warning("not shared error=%s", error)
            return make()

        def made() -> _Made:
            begun = time.perf_counter()
            result = make()
            return _Made(result, time.perf_counter() - begun)

        found: _Made = self._region.get_or_create(name, made, should_cache_fn=_Made.is_worth_it)
        return found.result  # type: ignore[no-any-return]

    def close(self) -> None:
        """Give back the connections."""
        self._region.actual_backend.close()


@dataclass
class _Made:
    """A result on its way to memcached or back."""

    result: Any
    seconds: float = 0.0
    packed: bytes = b""

    def is_worth_it(self) -> bool:
        """Whether others should have it, and can."""
        if self.seconds < WORTH_SECONDS:
            return False
        try:
            self.packed = pickle.dumps(self.result, protocol=5)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            log.warning("not shared type=%s error=%s", type(self.result).__name__, error)
            return False
        return True

    def pack(self) -> bytes:
        """As bytes."""
        return self.packed

    @classmethod
    def unpack(cls, packed: bytes) -> _Made:
        """From bytes that this site has signed."""
        try:
            return cls(pickle.loads(packed))
        except Exception as error:  # whatever it was, it can be made again
            raise CantDeserializeException from error


class _Memcached(BytesBackend):
    """The servers, each asked for its own part of the keys, in dogpile's words."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self._secret: bytes = arguments["secret"]
        self._servers = [_Server(address) for address in arguments["servers"]]

    def get_serialized(self, key: str) -> Any:
        sealed = self._server(key).ask("get", key)
        return NO_VALUE if sealed is None else self._opened(key, sealed)

    def get_serialized_multi(self, keys: Sequence[str]) -> Any:
        return [self.get_serialized(key) for key in keys]

    def set_serialized(self, key: str, value: bytes) -> None:
        body = b"z" + isal_zlib.compress(value, 1) if len(value) > WORTH_COMPRESSING else b"-" + value
        if len(body) < LARGEST:
            self._server(key).ask("set", key, self._seal(key, body) + body, KEPT_SECONDS)

    def delete(self, key: str) -> None:
        self._server(key).ask("delete", key)

    def delete_multi(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.delete(key)

    def get_mutex(self, key: str) -> CacheMutex:
        return _Claim(self._server(key), f"{key}.claim")

    def close(self) -> None:
        for server in self._servers:
            server.close()

    def _server(self, key: str) -> _Server:
        return self._servers[int(key[:8], 16) % len(self._servers)]

    def _seal(self, key: str, body: bytes) -> bytes:
        return hmac.digest(self._secret, key.encode() + body, "sha256")

    def _opened(self, key: str, sealed: bytes) -> Any:
        seal, body = sealed[:32], sealed[32:]
        if not hmac.compare_digest(seal, self._seal(key, body)):
            log.warning("what memcached has was not put there by this site, or is damaged bytes=%d", len(sealed))
            return NO_VALUE
        return isal_zlib.decompress(body[1:]) if body[:1] == b"z" else body[1:]


class _Server:
    """One memcached, which is left alone for a while after it did not answer."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client = PooledClient(
            address, connect_timeout=ANSWER_SECONDS, timeout=ANSWER_SECONDS, no_delay=True, default_noreply=False
        )
        self._rests_until = 0.0
        self._failed = False

    def ask(self, command: str, *arguments: Any) -> Any:
        """Its answer, or None."""
        if time.monotonic() < self._rests_until:
            return None
        try:
            answer = getattr(self._client, command)(*arguments)
        except Exception as error:  # whatever it says or does not say
            self._rests_until = time.monotonic() + REST_SECONDS
            if not self._failed:
                log.warning("memcached is of no help address=%s error=%r", self._address, error)
            self._failed = True
            self._client.close()  # other connections to it are as dead
            return None
        if self._failed:
            self._failed = False
            log.info("memcached helps again address=%s", self._address)
        return answer

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()


class _Claim(CacheMutex):
    """The word of one process that it makes a result; nobody relies on it for longer than PATIENCE_SECONDS."""

    def __init__(self, server: _Server, name: str) -> None:
        self._server = server
        self._name = name
        self._mine = False

    def acquire(self, wait: bool = True) -> bool:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self._server.ask("add", self._name, b"1", CLAIM_SECONDS)
            self._mine = answer is True
            if answer is not False or (wait and time.monotonic() > until):
                return True
            if not wait:
                return False
            time.sleep(0.005)

    def release(self) -> None:
        if self._mine:
            self._mine = False
            self._server.ask("delete", self._name)

    def locked(self) -> bool:
        return self._mine


def words_of(key: Hashable) -> str:
    """A key as text, the same in every process; TypeError where it has a part of which that cannot be said."""
    if isinstance(key, tuple):
        return f"({','.join(words_of(part) for part in key)})"
    if isinstance(key, frozenset):
        return f"{{{','.join(sorted(words_of(part) for part in key))}}}"
    if key is None or isinstance(key, str | bytes | bool | int | float):
        return repr(key)
    name = getattr(key, "__qualname__", "<")
    if "<" in name:
        raise TypeError(f"{key!r} is no part of a key that processes can share")
    return f"{getattr(key, '__module__', '')}.{name}"


def code_mark() -> str:
    """Another one for each version of this code and of what makes and reads its results: none reads what another put there."""
    mark = hashlib.sha256()
    for package in ("agent", "collector", "webstat"):
        for path in sorted((_ROOT / package).rglob("*.py")):
            mark.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    mark.update(" ".join(version(name) for name in ("numpy", "pandas", "sqlalchemy")).encode())
    return mark.hexdigest()
