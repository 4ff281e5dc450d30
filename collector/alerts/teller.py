"""What a collector does for those who asked to be told: looks at rules after each poll, and tells, beside its polls."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from sqlalchemy import Engine

from agent.report import Report
from collector.alerts.deliver import Deliverer, Message
from collector.alerts.rules import Rules
from collector.events import set_within
from collector.settings import NotifySettings

log = logging.getLogger("collector.alerts")

TELL_EVERY_SECONDS = 15.0
"""At most, until what was to be told later, or again, is looked at."""
TIDY_EVERY_SECONDS = 3600.0
"""Old notices and rules."""
TOLD_AT_ONCE = 8
"""Messages on their way."""


class Teller:
    """Of one collector. The store is only used through `in_thread`, where it is written."""

    def __init__(
        self,
        engine: Engine,
        settings: NotifySettings,
        in_thread: Callable[..., Awaitable[Any]],
        held: Callable[[], Collection[int]],
    ) -> None:
        """`held` says which clusters are this collector's."""
        self._rules = Rules(engine, settings)
        self._deliverer = Deliverer(engine, settings)
        self._in_thread = in_thread
        self._held = held
        self._woken = asyncio.Event()
        self._room = asyncio.Semaphore(TOLD_AT_ONCE)

    async def after_report(self, cluster_id: int, report: Report, period: float) -> None:
        """Look at the rules of a cluster; before it is announced, since browsers then ask what there is to be told."""
        await self._decide(self._rules.after_report, cluster_id, report, period)

    async def after_failure(self, cluster_id: int, failures: int) -> None:
        """The same after a poll that failed, as so many in a row."""
        await self._decide(self._rules.after_failure, cluster_id, failures)

    async def wish(self, wish: Any) -> dict[str, Any]:
        """What a person is answered who asked for a rule, or for something to be done with one."""
        try:
            answer: dict[str, Any] = await self._in_thread(self._rules.wish, wish)
        except Exception as error:
            log.exception("rules could not be changed")
            return {"ok": False, "message": f"it could not be stored: {type(error).__name__}"}
        self._woken.set()
        return answer

    def wake(self) -> None:
        """There are clusters that were another's before: what was to be told of them is told now."""
        self._woken.set()

    async def run(self) -> None:
        """Send what was decided to be told, and what is to be tried again, until cancelled."""
        tidied: float | None = None
        while True:
            self._woken.clear()
            messages: list[Message] = []
            try:
                messages = await self._in_thread(self._deliverer.take, self._held(), time.time())
                if tidied is None or time.monotonic() - tidied > TIDY_EVERY_SECONDS:
                    tidied = time.monotonic()
                    await self._in_thread(self._rules.tidy, time.time())
            except Exception as error:  # the database is away: it waits there
                log.warning("what is to be told cannot be read error=%r", str(error))
            async with asyncio.TaskGroup() as tasks:
                for message in messages:
                    tasks.create_task(self._tell(message))
            await set_within(self._woken, TELL_EVERY_SECONDS)

    async def _decide(self, decide: Callable[..., int], cluster_id: int, *told: Any) -> None:
        try:
            made = await self._in_thread(decide, cluster_id, *told)
        except Exception:  # they look again at the next report
            log.exception("rules could not be looked at cluster_id=%d", cluster_id)
        else:
            if made:
                self._woken.set()

    async def _tell(self, message: Message) -> None:
        async with self._room:
            outcome = await self._deliverer.send(message)
        try:
            await self._in_thread(self._deliverer.note, message, outcome, time.time())
        except Exception as error:  # then it is tried again, under the same number
            log.warning("what was told cannot be noted message=%s error=%r", message.id, str(error))
