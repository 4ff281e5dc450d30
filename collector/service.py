"""The loop: due -> fetch -> store -> announce, for every cluster at once.

Each cluster has its own task, so a slow or dead agent delays no other. The store is used from one
worker thread, so that decoding and writing never hold up the sockets. Which clusters are this collector's
is leases.py's to say: where others share the store, they come and go.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import zmq.asyncio

from agent import notify
from agent.curve import Door
from agent.errors import WireError
from agent.report import Report
from agent.wire import from_wire
from collector.alerts.teller import Teller
from collector.announce import Announcer
from collector.client import failure, fetch_reply, peers_of
from collector.errors import NoneYet, PollFailed, SettingsError
from collector.events import set_within
from collector.keys import open_door
from collector.leases import Shares
from collector.metrics import Meter
from collector.retention import limits_of
from collector.schedule import (
    HOUR,
    Spent,
    affordable_at,
    fair_period,
    first_poll,
    next_poll,
    recent,
    refresh_allowed_at,
)
from collector.settings import ClusterSettings, Settings
from collector.store import PollTimes, Store, Stored

log = logging.getLogger("collector")

REFRESH_WAIT_SECONDS = 20.0
"""How long an asker of a refresh is kept waiting before it is told that the answer is on its way."""

PRUNE_PAUSE_SECONDS = 0.2
"""Between two of its short transactions: polls go first, and readers get the disk."""
PRUNE_EVERY_SECONDS = 3600.0
"""When nothing is left to prune."""
PRUNE_FIRST_SECONDS = 60.0
"""After the start: polls and sums come first."""
SHARE_EVERY_SECONDS = 10.0
"""At most, between two looks at what others have left; a fraction of a period and of a lease where these are short."""

COSTLY_CODES = frozenset({"command_failed", "command_timeout", "output_too_large", "parse"})
"""Failures after which the scheduler's commands had run, for up to as long as the poll took."""
REMEMBERED_SECONDS = 86400.0
"""What a scheduler's commands took before is no basis any more when a cluster is taken up."""

ALL_REGIONS = "*"
"""No region can be named so."""


@dataclass
class Watch:
    """One cluster being polled. Times are of time.time()."""

    name: str
    id: int
    entry: ClusterSettings
    wished: int
    """The shortest period."""
    share: float
    """Of the time, what the scheduler's commands may take."""
    period: int
    """The one in force: as long as they need."""
    spent: list[Spent] = field(default_factory=list)
    """What they took of late."""
    taken_at: float = 0.0
    """When the newest report was taken."""
    failures: int = 0
    due_at: float = 0.0
    refreshed_at: float | None = None
    held: bool = False
    """Whether this collector has it."""
    polling: bool = False
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when somebody asked for a refresh."""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a poll has ended."""
    last: Stored | PollFailed | None = None


class Service:
    """All clusters of webstat.toml being polled into one store; of its region, where they have regions."""

    def __init__(self, settings: Settings, store: Store, region: str | None = None) -> None:
        self._settings = settings
        self._store = store
        self._region = region
        self._context = zmq.asyncio.Context()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        ids = store.sync_clusters(settings)
        self.watches = [
            Watch(entry.name, ids[entry.name], entry, wished, share, wished)
            for entry in settings.cluster
            for wished, share in [settings.pace_of(entry)]
            if region in (entry.region, ALL_REGIONS)
        ]
        for watch in self.watches:
            peers_of(watch.entry, settings.collector)  # what is wrong with a key is said at the start
        self._teller = Teller(
            store.engine, settings.notify, self._in_thread, lambda: [watch.id for watch in self.watches if watch.held]
        )
        self._announcer: Announcer | None = None
        self._door: Door | None = None
        self._meter = Meter(lambda: sum(watch.held for watch in self.watches))
        self._stop_serving: Callable[[], None] | None = None
        shortest = min((watch.period for watch in self.watches), default=SHARE_EVERY_SECONDS)
        self._share_every = min(SHARE_EVERY_SECONDS, shortest / 2, settings.collector.lease_seconds / 3)

    def close(self) -> None:
        """End the sockets and the worker; the store stays its owner's."""
        if self._announcer is not None:
            self._announcer.close()
        if self._door is not None:
            self._door.close()
        if self._stop_serving is not None:
            self._stop_serving()
        self._thread.shutdown()
        self._context.destroy(linger=200)

    async def run(self) -> None:
        """Poll until cancelled."""
        collector = self._settings.collector
        self._door = open_door(self._context, collector)
        self._announcer = Announcer(self._context, collector.announce, collector.refresh, self._door)
        if collector.metrics is not None:
            self._stop_serving = self._meter.serve(collector.metrics)
        announce, refresh = self._announcer.addresses
        public_key = self._door.public_key if self._door else None
        await self._in_thread(self._store.leases.register, announce, refresh, self._region, public_key)
        log.info(
            "collecting clusters=%d announce=%s refresh=%s curve=%s",
            len(self.watches), announce, refresh, self._door is not None,
        )  # fmt: skip
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._announcer.serve(self._refresh_counted, self._teller.wish))
            tasks.create_task(self._keep_sharing(tasks))
            tasks.create_task(self._keep_pruning())
            tasks.create_task(self._teller.run())
            tasks.create_task(self._keep_alive())

    async def poll(self, watch: Watch) -> Stored | PollFailed:
        """One poll: ask, store, announce; a failure is stored and announced too."""
        begun = time.time()
        collector = self._settings.collector
        outcome: Stored | PollFailed
        try:
            peers = peers_of(watch.entry, collector)  # read again: keys may be changed meanwhile
            reply = await fetch_reply(self._context, peers, "report", collector.timeout_seconds, collector.retries)
            report, outcome = await self._in_thread(self._store_reply, watch, reply, begun)
            if isinstance(outcome, Stored) and outcome.is_new:
                await self._teller.after_report(watch.id, report, watch.period)
        except PollFailed as error:
            outcome = error
        except SettingsError as error:
            outcome = PollFailed(str(error), "keys")
        if isinstance(outcome, PollFailed):
            took = time.time() - begun
            self._meter.polled(watch.name, outcome.code, took)
            cost = took if isinstance(outcome, NoneYet) or outcome.code in COSTLY_CODES else None
            period = watch.period if cost is None else max(watch.period, self._spend(watch, begun, cost))
            watch.due_at = self._due(period, begun, watch.failures + 1)
            times = PollTimes(begun, took, watch.due_at, query_seconds=cost)
            watch.failures = await self._in_thread(
                self._store.store_failure, watch.id, times, outcome.code, str(outcome)
            )
            log.warning(
                "poll failed cluster=%s code=%s failures=%d next_in=%.0fs message=%r",
                watch.name, outcome.code, watch.failures, watch.due_at - time.time(), str(outcome),
            )  # fmt: skip
            await self._teller.after_failure(watch.id, watch.failures)
            await self._announce(watch, None, None, outcome.code)
        elif outcome.is_new:
            await self._announce(watch, outcome.report, outcome.taken_at, None)
        watch.last = outcome
        return outcome

    def _store_reply(self, watch: Watch, reply: bytes, begun: float) -> tuple[Report, Stored]:
        try:
            report = from_wire(reply)
        except WireError as error:
            raise failure(error) from None
        now = time.time()
        if report.taken_at > watch.taken_at:  # a repeat cost the scheduler nothing
            watch.period = self._spend(watch, begun, sum(report.query_seconds.values()))
        watch.due_at = self._due(watch.period, begun, 0)
        times = PollTimes(begun, now - begun, watch.due_at, period=watch.period)
        with self._meter.store.time():
            stored = self._store.store_report(watch.id, report, times)
        self._meter.polled(watch.name, "new" if stored.is_new else "same", now - begun)
        watch.failures, watch.taken_at = 0, report.taken_at
        log.info(
            "report stored cluster=%s report=%d new=%s jobs=%d changed=%d nodes=%d warnings=%d fetch=%.3fs store=%.3fs "
            "period=%ds",
            watch.name,
            stored.report,
            stored.is_new,
            len(report.jobs),
            stored.jobs_changed,
            len(report.nodes),
            len(report.warnings),
            now - begun,
            time.time() - now,
            watch.period,
        )
        return report, stored

    def _spend(self, watch: Watch, begun: float, seconds: float) -> int:
        """Note what a round of commands took; returns the period that it asks for."""
        collector = self._settings.collector
        # No more than a poll waits for: no agent's word may put its cluster off for ever.
        most = collector.timeout_seconds * (1 + collector.retries)
        watch.spent = recent([*watch.spent, (begun, min(most, max(0.0, seconds)))], time.time())
        return fair_period(watch.spent, watch.wished, watch.share)

    def _recall(self, watch: Watch) -> None:
        """Take a cluster up where it was left, by whomever."""
        now = time.time()
        watch.taken_at = self._store.latest(watch.id)[1] or 0.0
        watch.spent = recent(self._store.spent(watch.id, now - REMEMBERED_SECONDS), now)
        watch.period = fair_period(watch.spent, watch.wished, watch.share)

    def _due(self, period: float, begun: float, failures: int) -> float:
        backoff = self._settings.collector.backoff_max_seconds
        return next_poll(begun, time.time(), period, failures, backoff, random.random())

    async def _keep_sharing(self, tasks: asyncio.TaskGroup) -> None:
        """Take the clusters that are free, up to a fair part, and poll them; give back what others should have."""
        while True:
            try:
                shares = await self._in_thread(self._store.share, [watch.id for watch in self.watches])
            except Exception as error:  # the database is away: what is held shows when it is back
                log.warning("clusters cannot be shared error=%r", str(error))
            else:
                self._take_up(shares, tasks)
            await asyncio.sleep(self._share_every)

    def _take_up(self, shares: Shares, tasks: asyncio.TaskGroup) -> None:
        new = [watch for watch in self.watches if watch.id in shares.held and not watch.held]
        for number, watch in enumerate(new):
            watch.held, watch.failures = True, 0
            watch.due_at = first_poll(time.time(), number, len(new), watch.period)
            tasks.create_task(self._keep_polling(watch))
        for watch in self.watches:
            if watch.held and (watch.id in shares.surplus or watch.id not in shares.held):
                watch.held = False
                watch.wanted.set()
        if new:
            self._teller.wake()
            log.info("polling clusters=%s", ",".join(watch.name for watch in new))

    async def _keep_polling(self, watch: Watch) -> None:
        """Poll until the cluster is given up, then leave it to others."""
        try:
            await self._in_thread(self._recall, watch)
        except Exception as error:  # the database is away: then the period is the wished one
            log.warning("what its polls cost cannot be read cluster=%s error=%r", watch.name, str(error))
        await self._poll_in_turn(watch)
        log.info("given to another collector cluster=%s", watch.name)
        try:
            await self._in_thread(self._store.leases.release, watch.id)
        except Exception as error:
            log.warning("the lease could not be given back cluster=%s error=%r", watch.name, str(error))

    async def _poll_in_turn(self, watch: Watch) -> None:
        while watch.held:
            await set_within(watch.wanted, max(0.0, watch.due_at - time.time()))
            watch.wanted.clear()
            if not watch.held:
                break
            watch.done.clear()
            watch.polling = True
            try:
                await self.poll(watch)
            except Exception as error:  # a full disk must not end the polling of the others
                log.exception("poll could not be stored cluster=%s", watch.name)
                watch.last = PollFailed(f"the collector could not store it: {error}", "store")
                watch.due_at = time.time() + watch.period
            watch.polling = False
            watch.done.set()
            try:
                with self._meter.rollup.time():
                    await self._in_thread(self._store.roll_up, watch.id)
            except Exception:  # its hours stay marked, and are computed after the next report
                log.exception("usage could not be rolled up cluster=%s", watch.name)

    async def _keep_pruning(self) -> None:
        """Delete what is kept no longer, a step at a time between the polls, which use the same thread."""
        await asyncio.sleep(PRUNE_FIRST_SECONDS)
        while True:
            rows: Counter[str] = Counter()
            try:
                steps = self._store.prune(limits_of(self._settings.retention, time.time()))
                while (gone := await self._in_thread(next, steps, None)) is not None:
                    rows += gone.rows
                    await asyncio.sleep(PRUNE_PAUSE_SECONDS)
            except Exception:  # what is left goes the next time
                log.exception("the store could not be pruned")
            if rows:
                log.info("pruned %s", " ".join(f"{table}={number}" for table, number in sorted(rows.items())))
            await asyncio.sleep(PRUNE_EVERY_SECONDS)

    async def _keep_alive(self) -> None:
        """Tell systemd that both work: this loop and the thread that stores."""
        notify.ready(self._status())
        every = notify.watchdog_seconds()
        while every is not None:
            await self._in_thread(int)
            notify.alive(self._status())
            await asyncio.sleep(every)

    def _status(self) -> str:
        held = [watch for watch in self.watches if watch.held]
        failing = [watch.name for watch in held if watch.failures]
        return f"polling {len(held)} clusters" + (f"; no answer from {', '.join(failing)}" if failing else "")

    async def _refresh_counted(self, name: str) -> dict[str, Any]:
        answer = await self.refresh(name)
        self._meter.refreshed(bool(answer["ok"]))
        return answer

    async def refresh(self, name: str) -> dict[str, Any]:
        """What a person who asked for a refresh is told; polls the cluster now where that is allowed."""
        watch = next((one for one in self.watches if one.name == name), None)
        if watch is None:
            return {"ok": False, "message": f"no cluster is named {name!r}"}
        if not watch.held:
            return {"ok": False, "message": "another collector polls it"}
        now = time.time()
        minimum = self._settings.collector.refresh_min_seconds
        allowed = refresh_allowed_at(watch.refreshed_at, minimum)
        if now < allowed:
            return {
                "ok": False,
                "message": f"refreshed {now - (watch.refreshed_at or now):.0f} s ago; the next is allowed in "
                f"{allowed - now:.0f} s",
                "next_allowed_at": allowed,
                "report": watch.last.report if isinstance(watch.last, Stored) else None,
            }
        fits_at = affordable_at(watch.spent, now, watch.share)
        if now < fits_at:
            taken = sum(seconds for at, seconds in watch.spent if at > now - HOUR)
            return {
                "ok": False,
                "message": f"its scheduler was kept busy for {taken:.0f} s of the last hour, more than the "
                f"{watch.share * HOUR:.0f} s it is asked to give; the next report comes by itself in "
                f"{max(0.0, watch.due_at - now):.0f} s",
                "next_allowed_at": min(fits_at, max(now, watch.due_at)),
                "report": watch.last.report if isinstance(watch.last, Stored) else None,
            }
        watch.refreshed_at = now
        watch.done.clear()
        if not watch.polling:
            watch.wanted.set()
        answer: dict[str, Any] = {"next_allowed_at": now + minimum}
        if not await set_within(watch.done, REFRESH_WAIT_SECONDS):
            return {**answer, "ok": True, "message": "asked; the scheduler takes its time, the page follows by itself"}
        last = watch.last
        if isinstance(last, PollFailed):
            return {**answer, "ok": False, "message": str(last)}
        assert last is not None
        words = "a new report is in" if last.is_new else "nothing newer yet: the agent asked the scheduler just before"
        return {**answer, "ok": True, "message": words, "report": last.report}

    async def _announce(self, watch: Watch, report: int | None, taken_at: float | None, health: str | None) -> None:
        if self._announcer is not None:
            await self._announcer.announce(watch.name, report, taken_at, health)
            self._meter.announcements.inc()

    async def _in_thread(self, function: Any, *arguments: Any) -> Any:
        with self._meter.waiting.track_inprogress():
            return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
