"""A worker's loop: keep the slots full, from the queue or, without Redis, from the database.

Invariant: `held` names exactly the claims this process may still act on, from the moment
their commit is known until their run is over. The pulse compares it with the database.
"""

import asyncio
import itertools
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

import structlog

from nexus.errors import Fenced, ServiceMissing
from nexus.failpoints import failpoint
from nexus.orchestrator.claiming import Claimed, due_subtasks, release_all
from nexus.orchestrator.desk import Desk
from nexus.orchestrator.hand import Hand
from nexus.orchestrator.queue import Message, Queue
from nexus.orchestrator.queueing import Share
from nexus.orchestrator.runner import Bench, attempt

BATCH: Final = 100
ASK_SECONDS: Final = 0.5
SWEEP_SECONDS: Final = 5.0
FULL_SECONDS: Final = 0.5
CANCEL_SECONDS: Final = 3.0

log = structlog.get_logger()


class Consumer:
    """Claims subtasks into slots and runs them until told to stop."""

    def __init__(
        self, bench: Bench, queue: Queue, hand: Hand, *, slots: int, drain_seconds: float
    ) -> None:
        self._bench = bench
        self._queue = queue
        self._hand = hand
        self._slots = slots
        self._drain_seconds = drain_seconds
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._freed = asyncio.Event()
        self._swept_at = 0.0
        self._heard_at = 0.0
        self._stopping = False
        self._settling: set[str] = set()
        self._desk = Desk(bench.engine, hand, self._room, self._start)

    async def work(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then drain: nothing new is claimed, what runs may end."""
        stopping = asyncio.ensure_future(stop.wait())
        stopping.add_done_callback(lambda _: self._note_stop())
        self._heard_at = asyncio.get_running_loop().time()
        try:
            async with self._desk:
                while not stop.is_set():
                    await self._feed_until(stopping)
                await self._let_end()
        finally:
            stopping.cancel()
        # What the runs recorded is written: now their claims may go.
        await self._release()

    async def _feed_until(self, stopping: "asyncio.Future[Any]") -> None:
        feeding = asyncio.ensure_future(self._feed_once())
        ends: set[asyncio.Future[Any]] = {feeding, stopping, *self._desk.loops}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if self._desk.check() and not feeding.done():
            # A claim under way is waited for: cancelling would lose track of it.
            await asyncio.wait({feeding})
        feeding.result()

    def abandon(self, subtask_id: str, claim_number: int) -> None:
        """Stop a run whose claim is not ours any more; called on the loop's thread."""
        run = self._runs.get(subtask_id)
        if subtask_id in self._settling:
            return
        if run and self._hand.held.get(subtask_id) == claim_number:
            log.info("subtask.abandoned", subtask_id=subtask_id)
            self._cancel([subtask_id])

    async def _feed_once(self) -> None:
        free = self._free()
        if not free or self._hand.is_lagging:
            self._freed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(FULL_SECONDS):
                    await self._freed.wait()
            return
        try:
            messages = await self._read(min(free, BATCH))
        except ServiceMissing:
            await self._ask_database()
            return
        if messages:
            self._heard_at = asyncio.get_running_loop().time()
            failpoint("queue.read")
            free = self._free()  # while it was read a settlement may have filled slots
            await self._take(messages[:free], messages[free:])
        elif await self._find_untold():
            return
        elif not self._runs:
            await self._bench.toolkit.ready()  # nothing to do: a good moment to load it

    def _free(self) -> int:
        """How many slots there are for what is claimed now; none once told to stop."""
        return 0 if self._stopping else max(0, self._slots - len(self._runs))

    async def _read(self, count: int) -> list[Message]:
        now = asyncio.get_running_loop().time()
        if now - self._swept_at > SWEEP_SECONDS:
            self._swept_at = now
            abandoned = await self._queue.take_abandoned(self._hand.worker_id, count)
            if abandoned:
                return abandoned
        return await self._queue.read(self._hand.worker_id, count)

    async def _take(self, messages: list[Message], surplus: list[Message]) -> None:
        """Claim what messages name; what there is no slot for goes back, for whoever has one."""
        try:
            wanted = [message.subtask_id for message in messages]
            if wanted and await self._claim(wanted) is not None:
                await self._queue.acknowledge(messages)
                failpoint("ack.done")
            await self._queue.give_back(surplus)
        except ServiceMissing:
            log.info("queue.unacknowledged", entries=len(messages))

    async def _find_untold(self) -> bool:
        """Look for due work of which a queue that has been silent for a while says nothing; claim it.

        A Redis that is full answers who reads, and refuses who announces.
        """
        now = asyncio.get_running_loop().time()
        if now - self._heard_at < SWEEP_SECONDS:
            return False
        if await self._claim_due():
            return True  # there may be more: it is looked for again after the next read
        self._heard_at = now
        return False

    async def _ask_database(self) -> None:
        """Without the doorbell: look for due work every half second."""
        if not await self._claim_due():
            await asyncio.sleep(ASK_SECONDS)

    async def _claim_due(self) -> bool:
        """Claim what the database says is due, as far as there are slots; True: there was some."""
        free = min(self._free(), BATCH)
        if not free:
            return False
        try:
            ids = await self._bench.engine.run(lambda turn: due_subtasks(free))
            return bool(ids and await self._claim(ids))
        except ServiceMissing:
            log.warning("database.missing", hint="waiting for it to return")
            return False

    async def _claim(self, ids: Iterable[str]) -> int | None:
        """Claim and start; return how many, or None when the worker stopped with the database away."""
        wanted = [one for one in dict.fromkeys(ids) if one not in self._runs]
        while wanted:
            try:
                claimed = await self._desk.claim(wanted)
            except ServiceMissing:
                if self._stopping:
                    return None
                await asyncio.sleep(ASK_SECONDS)
                continue
            for one in claimed:
                self._start(one)
            return len(claimed)
        return 0

    def _start(self, claimed: Claimed) -> None:
        run = asyncio.get_running_loop().create_task(self._run(claimed))
        run.add_done_callback(_report)
        self._enter(claimed, run)

    def _enter(self, claimed: Claimed, run: asyncio.Task[None] | None) -> None:
        """Note what runs a claim that is in the hand."""
        if run is not None:
            run.set_name(claimed.held.subtask_id)
            self._runs[claimed.held.subtask_id] = run

    async def _run(self, claimed: Claimed) -> None:
        """Run a claim, then what settling it handed over, in this slot."""
        for in_a_row in itertools.count():
            taken = await self._run_one(claimed, in_a_row)
            if not taken:
                return
            claimed, *others = taken
            for other in others:
                self._start(other)
            self._enter(claimed, asyncio.current_task())

    async def _run_one(self, claimed: Claimed, in_a_row: int) -> list[Claimed]:
        """Attempt and settle; return what was taken over. A fenced claim is dropped without a trace."""
        subtask_id = claimed.held.subtask_id
        begun = (subtask_id, claimed.held.claim)
        self._hand.begun.add(begun)
        try:
            outcome = await attempt(self._bench, self._desk, claimed)
            # From here the claim may vanish from the database because of us.
            self._settling.add(subtask_id)
            taken = await self._desk.settle(claimed.held, outcome, in_a_row)
            self._hand.begun.discard(begun)
            return taken
        except Fenced:
            self._hand.begun.discard(begun)
            log.info("subtask.dropped", subtask_id=subtask_id)
            return []
        finally:
            self._settling.discard(subtask_id)
            self._let_go(claimed)

    def _room(self) -> Share | None:
        """What may be taken over now; what settles in the same commit comes on top."""
        if self._stopping:
            return None
        free = max(0, self._slots - len(self._runs))
        return Share(free, self._hand.live_workers, self._hand.worker_id)

    def _let_go(self, claimed: Claimed) -> None:
        subtask_id = claimed.held.subtask_id
        self._hand.ending.discard((subtask_id, claimed.held.claim))
        if self._hand.held.get(subtask_id) == claimed.held.claim:
            del self._hand.held[subtask_id]
        if self._runs.get(subtask_id) is asyncio.current_task():
            del self._runs[subtask_id]
        self._freed.set()

    async def _release(self) -> None:
        """Give back, attempts uncounted, whatever the database has under this worker.

        Also what was claimed by a commit whose answer never came.
        """
        worker_id = self._hand.worker_id
        try:
            await self._bench.engine.run(
                lambda turn: release_all(turn, worker_id, "worker stopped"), "release"
            )
            self._hand.is_empty = True
        except ServiceMissing:
            log.warning("database.missing", hint="what this worker held comes back by its lease")

    async def _let_end(self) -> None:
        """Let running subtasks end for a while, then cancel the rest."""
        self._hand.is_draining = True
        runs = set(self._runs.values())
        if not runs:
            return
        log.info("worker.draining", subtasks=len(runs))
        await asyncio.wait(runs, timeout=self._drain_seconds)
        if runs := self._cancel([*self._runs]):
            await asyncio.wait(runs, timeout=CANCEL_SECONDS)

    def end_now(self) -> None:
        """Cancel every run; called when the lease they hang on is not renewed any more."""
        self._cancel([*self._runs])

    def _cancel(self, subtask_ids: Iterable[str]) -> set[asyncio.Task[None]]:
        """Cancel runs and return them; how they take it is no failure of theirs."""
        runs = {one: run for one in subtask_ids if not (run := self._runs[one]).done()}
        for subtask_id, run in runs.items():
            if (claim := self._hand.held.get(subtask_id)) is not None:
                self._hand.ending.add((subtask_id, claim))
            run.cancel()
        return set(runs.values())

    def _note_stop(self) -> None:
        self._stopping = True


def _report(run: asyncio.Task[None]) -> None:
    """Say what a run could not settle; the pulse gives its subtask back."""
    if not run.cancelled() and (wrong := run.exception()):
        log.error("subtask.unsettled", error=f"{type(wrong).__name__}: {wrong}"[:500])
