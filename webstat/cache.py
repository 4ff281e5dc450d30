"""Results remembered per (query, arguments, report number): a new report invalidates, nothing else does.

Bounded, oldest use first out. Threads that ask for the same result at once make it once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Newest:
    """One result per name, of its newest stamp: for what is too large to keep of older reports. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._results: dict[Hashable, tuple[Hashable, Future[Any]]] = {}

    def get(self, name: Hashable, stamp: Hashable, make: Callable[[], T]) -> T:
        """The result for `name`, made by `make` if none of this stamp is kept; what `make` raises is not."""
        with self._lock:
            kept = self._results.get(name)
            mine = kept is None or kept[0] != stamp
            if kept is None or mine:
                kept = self._results[name] = (stamp, Future())
        future = kept[1]
        if mine:
            try:
                future.set_result(make())
            except BaseException as error:
                with self._lock:
                    if self._results.get(name) is kept:
                        del self._results[name]
                future.set_exception(error)
        return future.result()


class Memory:
    """A thread-safe memory of at most `size` results."""

    def __init__(self, size: int = 512) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._results: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        self.hits = self.misses = 0

    def __len__(self) -> int:
        with self._lock:
            return len(self._results)

    def get(self, key: Hashable, make: Callable[[], T], keep: Callable[[T], bool] = lambda result: True) -> T:
        """The result for `key`, made by `make` if it is not remembered.

        What `make` raises is not remembered, nor is a result of which `keep` says False.
        """
        with self._lock:
            future = self._results.get(key)
            mine = future is None
            if future is None:
                self.misses += 1
                future = self._results[key] = Future()
                while len(self._results) > self._size:
                    self._results.popitem(last=False)
            else:
                self.hits += 1
                self._results.move_to_end(key)
        if mine:
            try:
                result = make()
            except BaseException as error:
                self._forget(key, future)
                future.set_exception(error)
            else:
                if not keep(result):
                    self._forget(key, future)
                future.set_result(result)
        return future.result()

    def _forget(self, key: Hashable, future: Future[Any]) -> None:
        with self._lock:
            if self._results.get(key) is future:
                del self._results[key]


class Weighed:
    """A thread-safe memory of results up to a number of bytes, oldest use first out."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self._results: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def get(self, key: Hashable) -> Any | None:
        """What is kept for `key`, or None."""
        with self._lock:
            if key not in self._results:
                return None
            self._results.move_to_end(key)
            return self._results[key][0]

    def put(self, key: Hashable, result: Any, size: int) -> None:
        """Keep a result of `size` bytes."""
        with self._lock:
            _, before = self._results.pop(key, (None, 0))
            self._results[key] = (result, size)
            self._bytes += size - before
            while self._bytes > self._most and self._results:
                self._bytes -= self._results.popitem(last=False)[1][1]
