"""Waiting for an event that may be cancelled at any step of the loop."""

from __future__ import annotations

import asyncio

import pytest

from collector.events import set_within


def test_it_says_whether_the_event_came() -> None:
    async def scene() -> None:
        event = asyncio.Event()
        assert not await set_within(event, 0.01)
        asyncio.get_running_loop().call_later(0.01, event.set)
        assert await set_within(event, 60)
        assert await set_within(event, 0), "it is set already"

    asyncio.run(scene())


@pytest.mark.parametrize("steps", range(6))
def test_a_loop_that_waits_ends_when_it_is_told_to(steps: int) -> None:
    """Also when that comes in the same step as the event, or in one after it."""

    async def scene() -> None:
        event = asyncio.Event()

        async def work() -> None:
            while True:
                await set_within(event, 60)
                event.clear()

        task = asyncio.create_task(work())
        for _ in range(3):
            await asyncio.sleep(0)
        event.set()
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        assert (await asyncio.wait({task}, timeout=10))[0] and task.cancelled()

    asyncio.run(scene())
