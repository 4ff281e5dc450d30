from __future__ import annotations

import threading

import pytest

from webstat.cache import Memory, Newest


def test_a_result_is_made_once() -> None:
    made: list[int] = []
    memory = Memory()
    for _ in range(3):
        assert memory.get("key", lambda: made.append(1) or len(made)) == 1
    assert made == [1]


def test_a_new_report_is_another_key() -> None:
    memory = Memory()
    assert memory.get(("jobs", 1, 7), lambda: "old") == "old"
    assert memory.get(("jobs", 1, 8), lambda: "new") == "new"


def test_it_forgets_what_was_not_used_for_longest() -> None:
    memory = Memory(size=2)
    for key in ("a", "b"):
        memory.get(key, lambda key=key: key)
    memory.get("a", lambda: "never")
    memory.get("c", lambda: "c")
    assert len(memory) == 2
    assert memory.get("a", lambda: "again") == "a"
    assert memory.get("b", lambda: "again") == "again"


def test_what_failed_is_tried_again() -> None:
    memory = Memory()
    with pytest.raises(ZeroDivisionError):
        memory.get("key", lambda: 1 // 0)
    assert memory.get("key", lambda: "well") == "well"


def test_what_is_not_to_be_kept_is_made_again() -> None:
    memory = Memory()
    assert memory.get("key", dict, keep=bool) == {}
    assert memory.get("key", lambda: {"a": 1}, keep=bool) == {"a": 1}
    assert memory.get("key", dict, keep=bool) == {"a": 1}


def test_threads_that_ask_at_once_make_it_once() -> None:
    memory, made, gate = Memory(), [], threading.Barrier(8)
    release = threading.Event()
    results: list[object] = []

    def make() -> str:
        made.append(1)
        release.wait(5)
        return "result"

    def ask() -> None:
        gate.wait(5)
        results.append(memory.get("key", make))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    release.set()
    for thread in threads:
        thread.join(5)
    assert results == ["result"] * 8
    assert made == [1]


def test_of_what_is_large_only_the_newest_is_kept() -> None:
    newest, made = Newest(), []

    def make() -> int:
        made.append(1)
        return len(made)

    assert [newest.get("one", 7, make), newest.get("one", 7, make), newest.get("two", 7, make)] == [1, 1, 2]
    assert [newest.get("one", 8, make), newest.get("one", 7, make)] == [3, 4]


def test_what_cannot_be_made_is_tried_again() -> None:
    newest = Newest()

    def fail() -> int:
        raise OSError("not now")

    with pytest.raises(OSError, match="not now"):
        newest.get("one", 7, fail)
    assert newest.get("one", 7, lambda: 5) == 5
