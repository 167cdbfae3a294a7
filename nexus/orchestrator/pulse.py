"""The worker's pulse: a thread with a loop of its own, which agents' code cannot starve.

It renews the one lease all claims of the worker hang on, compares what the worker holds
with what the database says it holds, gives dead neighbours' subtasks back, and reconciles.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from nexus.errors import NexusError, ServiceMissing
from nexus.events.bell import Bell
from nexus.events.redis_link import RedisLink
from nexus.models.address import Address
from nexus.models.database import open_writer
from nexus.models.writing import Writer
from nexus.orchestrator import heartbeat
from nexus.orchestrator.chatting import forget_conversations
from nexus.orchestrator.claiming import release_all
from nexus.orchestrator.delegating import mend_parts
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.forgetting import forget_answers
from nexus.orchestrator.hand import Hand, now
from nexus.orchestrator.heartbeat import sign
from nexus.orchestrator.lag import Lag
from nexus.orchestrator.membership import (
    beat,
    declare_gone,
    find_ended,
    forget_gone,
    leave,
    lock_file,
    look,
    note_departure,
)
from nexus.orchestrator.queue import Queue
from nexus.orchestrator.reconciler import give_back, reconcile, return_claim
from nexus.orchestrator.rhythm import Rhythm
from nexus.orchestrator.stalled import mend_stalled
from nexus.orchestrator.sweeping import Sweep
from nexus.orchestrator.transitions.subtasks import Held

TICK_SECONDS: Final = 1.0
ORPHAN_SECONDS: Final = 3.0
"""Longer than it takes to see that the loop is behind: then its answers are only late."""
SWEEP_SECONDS: Final = 30.0
GIVE_BACK_SECONDS: Final = 2.0
STOPPED: Final = "worker stopped"
FORGET_US: Final = 3_600_000_000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PulseSettings:
    """Where and how fast the pulse beats."""

    address: Address
    installation_id: str
    data: Path
    concurrency: int
    lease_seconds: float
    locate_redis: Callable[[], str]


class Pulse:
    """Runs from `start` until `stop`; `abandon(subtask_id, claim)` is called on its own thread."""

    def __init__(
        self, settings: PulseSettings, hand: Hand, abandon: Callable[[str, int], None]
    ) -> None:
        self._settings = settings
        self._hand = hand
        self._abandon = abandon
        self._lock = lock_file(settings.data, hand.worker_id)
        self._rhythm = Rhythm(settings.lease_seconds)
        self._seen: dict[tuple[str, int], float] = {}
        self._others: list[str] | None = None
        self._engine: WorkflowEngine | None = None
        self._swept_at = time.monotonic()
        self._sweep = Sweep(settings.data)
        self._lag: Lag | None = None
        # A pool of one: its thread is nobody else's, and how it ends is the future's answer.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pulse")
        self._beating: asyncio.Future[None] | None = None
        self._is_stopped = False
        self._ended = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> "asyncio.Future[None]":
        """Begin to beat; the future ends when the pulse does, with an error if it was not asked to."""
        loop = asyncio.get_running_loop()
        self._lag = Lag(loop, self._hand)
        self._beating = loop.run_in_executor(self._thread, self._main)
        return self._beating

    async def stop(self) -> None:
        """End the pulse; raise what it ended of, if it had ended by itself."""
        self._is_stopped = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._ended.set)
        try:
            if self._beating is not None:
                await self._beating
        finally:
            self._thread.shutdown(wait=False)

    def give_back(self) -> None:
        """As a last act, give back what the worker holds, from a thread that is not the pulse's."""
        try:
            if self._loop is not None and self._engine is not None:
                giving = asyncio.run_coroutine_threadsafe(self._give_back(), self._loop)
                giving.result(GIVE_BACK_SECONDS)
                return
        except (ServiceMissing, TimeoutError, RuntimeError) as wrong:
            log.warning("worker.not_given_back", error=f"{type(wrong).__name__}: {wrong}"[:300])
        note_departure(self._lock)

    async def _give_back(self) -> None:
        if self._engine is None:
            return
        worker_id = self._hand.worker_id
        await self._engine.run(partial(release_all, worker_id=worker_id, reason=STOPPED))
        await self._engine.run(lambda turn: leave(worker_id))
        self._lock.unlink(missing_ok=True)

    def _main(self) -> None:
        asyncio.run(self._beat_until_stopped())

    async def _beat_until_stopped(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._is_stopped:
            return
        await asyncio.to_thread(sign, self._lock)
        # Side by side: nothing that mends, and no Redis that hangs, may delay the lease.
        async with asyncio.TaskGroup() as beating:
            beating.create_task(self._repeat(self._show_life, self._tick_every))
            beating.create_task(self._tend())

    async def _tend(self) -> None:
        """Do what needs the database, as soon as there is one."""
        writer = await self._open_writer()
        if writer is None:
            return
        redis = RedisLink(self._settings.locate_redis)
        queue = Queue(redis, self._settings.installation_id)
        bell = Bell(redis, self._settings.installation_id)
        engine = WorkflowEngine(writer, queue, bell, frozenset)
        self._engine = engine
        try:
            async with asyncio.TaskGroup() as tending:
                tending.create_task(self._repeat(partial(self._renew, engine), self._beat_every))
                tending.create_task(self._repeat(partial(self._watch, engine), self._tick_every))
                tending.create_task(
                    self._repeat(partial(self._mend, engine, queue), self._tick_every)
                )
        finally:
            await redis.close()
            await writer.close()

    @property
    def _beat_every(self) -> float:
        return self._settings.lease_seconds / 4

    @property
    def _tick_every(self) -> float:
        return min(TICK_SECONDS, self._settings.lease_seconds / 4)

    async def _open_writer(self) -> Writer | None:
        """Open a connection of the pulse's own, however long the database is away."""
        while not self._ended.is_set():
            try:
                return await open_writer(self._settings.address, pool_size=3)
            except ServiceMissing:
                log.warning("pulse.database_missing")
                await self._rest(self._tick_every)
        return None

    async def _repeat(self, act: Callable[[], Awaitable[None]], pause: float) -> None:
        """Repeat an act until stopped; no error of the database, of Redis or of files ends it."""
        while not self._ended.is_set():
            try:
                await act()
            except ServiceMissing:
                log.warning("pulse.database_missing")
            except (NexusError, OSError) as wrong:
                log.error("pulse.failed", error=f"{type(wrong).__name__}: {wrong}"[:500])
            await self._rest(pause)

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    async def _show_life(self) -> None:
        if self._lag is not None:
            self._lag.look()
        if not self._is_hung:
            heartbeat.beat(self._lock)
        else:
            log.critical("loop.hung", hint="end this worker: what it held goes to others")

    @property
    def _is_hung(self) -> bool:
        return self._lag is not None and self._lag.is_hung

    async def _renew(self, engine: WorkflowEngine) -> None:
        if self._is_hung:
            return
        given, worker_id, asked_at = self._settings, self._hand.worker_id, now()
        await engine.run(lambda turn: beat(worker_id, given.concurrency, given.lease_seconds))
        self._hand.renew(asked_at, given.lease_seconds)
        self._rhythm.renewed()

    async def _watch(self, engine: WorkflowEngine) -> None:
        """Compare the hand with the database: stop what is not ours, give back what nobody holds."""
        held = dict(self._hand.held)  # before the look: a claim made meanwhile is not lost
        known = await engine.run(lambda turn: look(self._hand.worker_id))
        self._hand.live_workers = max(1, known.live_workers)
        self._others = known.others
        for subtask_id, number in held.items():
            if known.claims.get(subtask_id) != number:
                self._abandon(subtask_id, number)
        if not self._hand.is_draining:
            await self._return_orphans(engine, known.claims)

    async def _return_orphans(self, engine: WorkflowEngine, claims: dict[str, int]) -> None:
        """Give back claims of this worker that nothing here holds.

        One that never began here came of a commit whose answer was lost: it counts no attempt.
        While the loop is behind, answers are on their way: time does not count then. What is
        given back is refused first, so that an answer that comes after all starts nothing.
        """
        if self._hand.is_lagging:
            self._seen.clear()
            return
        held = dict(self._hand.held)  # after the look: what was held then and is not now has ended
        now = time.monotonic()
        orphans = {pair for pair in claims.items() if held.get(pair[0]) != pair[1]}
        self._seen = {pair: self._seen.get(pair, now) for pair in orphans}
        for subtask_id, number in orphans:
            if now - self._seen[subtask_id, number] < ORPHAN_SECONDS:
                continue
            if not self._hand.refuse(subtask_id, number):
                continue  # its answer has just come
            orphan = Held(subtask_id, number, self._hand.worker_id)
            if (subtask_id, number) in self._hand.begun:
                await return_claim(engine, orphan)
                self._hand.begun.discard((subtask_id, number))
            else:
                await give_back(engine, orphan)

    async def _mend(self, engine: WorkflowEngine, queue: Queue) -> None:
        if self._others is None:  # at once: a worker that was killed left its subtasks to us
            self._others = (await engine.run(lambda turn: look(self._hand.worker_id))).others
        ended = await self._bury_dead(engine)
        judging, hung = self._rhythm.may_judge(), self._is_hung
        await reconcile(engine, self._hand.worker_id, judging=judging, hung=hung)
        with suppress(ServiceMissing):  # then they count as abandoned, in some seconds
            for one in ended:
                await queue.inherit(one, self._hand.worker_id)
        if time.monotonic() - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = time.monotonic()
            await engine.run(lambda turn: forget_gone(FORGET_US))
            with suppress(ServiceMissing):
                await queue.forget_consumers({*self._others, self._hand.worker_id})
            await mend_parts(engine)
            await mend_stalled(engine)
            await self._sweep.go_on(engine)
            await engine.run(lambda turn: forget_answers())
            await engine.run(forget_conversations)

    async def _bury_dead(self, engine: WorkflowEngine) -> list[str]:
        """End the leases of neighbours that have ended at once, and name them.

        What was drained counts no attempt.
        """
        ended = await asyncio.to_thread(find_ended, self._settings.data, self._others or [])
        for one in ended:
            log.warning("worker.found_ended", worker=one.worker_id, has_drained=one.has_drained)
            if one.has_drained:
                await engine.run(partial(release_all, worker_id=one.worker_id, reason=STOPPED))
        if ended:
            await engine.run(lambda turn: declare_gone([one.worker_id for one in ended]))
        for one in ended:
            one.lock.unlink(missing_ok=True)
        return [one.worker_id for one in ended]
