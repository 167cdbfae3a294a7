"""The worker's pulse: a thread with a loop of its own, which agents' code cannot starve.

It renews the one lease all claims of the worker hang on, compares what the worker holds
with what the database says it holds, gives dead neighbours' subtasks back, and reconciles.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from nexus.errors import NexusError, ServiceMissing
from nexus.events.bell import Bell
from nexus.events.redis_link import RedisLink
from nexus.models.address import Address
from nexus.models.database import open_writer
from nexus.orchestrator.consumer import Hand
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.membership import (
    Beat,
    beat,
    declare_gone,
    find_dead,
    forget_gone,
    look,
    other_workers,
)
from nexus.orchestrator.queue import Queue
from nexus.orchestrator.reconciler import reconcile, return_claim
from nexus.orchestrator.transitions import Held

TICK_SECONDS: Final = 1.0
ORPHAN_SECONDS: Final = 2.0
FORGET_US: Final = 3_600_000_000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PulseSettings:
    """Where and how fast the pulse beats."""

    address: Address
    installation_id: str
    data: Path
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
        self._stop = threading.Event()
        self._seen: dict[tuple[str, int], float] = {}
        self._thread = threading.Thread(target=self._main, name="pulse", daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.to_thread(self._thread.join)

    def _main(self) -> None:
        asyncio.run(self._beat_until_stopped())

    async def _beat_until_stopped(self) -> None:
        writer = await open_writer(self._settings.address, pool_size=2)
        redis = RedisLink(self._settings.locate_redis)
        queue = Queue(redis, self._settings.installation_id)
        bell = Bell(redis, self._settings.installation_id)
        engine = WorkflowEngine(writer, queue, bell, frozenset)
        tick = min(TICK_SECONDS, self._settings.lease_seconds / 4)
        due = 0.0
        while not self._stop.is_set():
            renew = time.monotonic() >= due
            try:
                await self._tick(engine, renew=renew)
            except ServiceMissing:
                log.warning("pulse.database_missing")
            except NexusError as wrong:
                log.error("pulse.failed", error=wrong.message)
            if renew:
                due = time.monotonic() + self._settings.lease_seconds / 4
            await asyncio.to_thread(self._stop.wait, tick)
        await redis.close()
        await writer.close()

    async def _tick(self, engine: WorkflowEngine, *, renew: bool) -> None:
        worker_id = self._hand.worker_id
        held = dict(self._hand.held)  # before the look: a claim made meanwhile is not lost
        if renew:
            known = await engine.run(lambda turn: beat(worker_id, self._settings.lease_seconds))
            await self._bury_dead(engine)
        else:
            known = await engine.run(lambda turn: look(worker_id))
        self._hand.live_workers = max(1, known.live_workers)
        self._drop_lost(held, known)
        await self._return_orphans(engine, known)
        await reconcile(engine)

    def _drop_lost(self, held: dict[str, int], known: Beat) -> None:
        """Tell the worker of claims it holds that the database gave to nobody or somebody else."""
        for subtask_id, number in held.items():
            if known.claims.get(subtask_id) != number:
                self._abandon(subtask_id, number)

    async def _return_orphans(self, engine: WorkflowEngine, known: Beat) -> None:
        """Give back claims of this worker that nothing here holds (a commit whose answer was lost)."""
        held = dict(self._hand.held)
        now = time.monotonic()
        orphans = {pair for pair in known.claims.items() if held.get(pair[0]) != pair[1]}
        self._seen = {pair: self._seen.get(pair, now) for pair in orphans}
        for subtask_id, number in orphans:
            if now - self._seen[subtask_id, number] >= ORPHAN_SECONDS:
                await return_claim(engine, Held(subtask_id, number, self._hand.worker_id))

    async def _bury_dead(self, engine: WorkflowEngine) -> None:
        """Whoever obtains a dead worker's file lock ends its leases at once."""
        others = await engine.run(lambda turn: other_workers(self._hand.worker_id))
        dead = await asyncio.to_thread(find_dead, self._settings.data, others)
        if dead:
            log.warning("worker.found_dead", workers=dead)
            await engine.run(lambda turn: declare_gone(dead))
        await engine.run(lambda turn: forget_gone(FORGET_US))
