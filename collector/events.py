"""Waiting for an event, for some time."""

from __future__ import annotations

import asyncio


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Whether it is set within so many seconds.

    Not asyncio.wait_for(): up to Python 3.11 that loses a cancellation that comes together with the event, and its task
    goes on for ever.
    """
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
