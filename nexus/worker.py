"""One worker process: claims subtasks and runs their agents until it is told to stop.

Started by `python worker.py`, `nexus worker` and the embedded stack. The first SIGTERM or
SIGINT drains it; a second one ends it at once, and its claims are taken back.
"""

import asyncio
import gc
import sys
from contextlib import suppress
from typing import Final

import structlog
import uvloop

from nexus import locations
from nexus.agents.builtin import Toolkit
from nexus.errors import OperatorError, ServiceMissing
from nexus.events.rate_board import RateBoard
from nexus.events.speaking import Loudspeaker
from nexus.llm.book import ModelBook
from nexus.locks import FileLock
from nexus.logs import configure_logs
from nexus.orchestrator.claiming import is_work_open
from nexus.orchestrator.consumer import Consumer
from nexus.orchestrator.departure import Departure
from nexus.orchestrator.folders import Folders
from nexus.orchestrator.hand import Hand, now
from nexus.orchestrator.membership import join, leave, new_worker, note_departure
from nexus.orchestrator.pulse import Pulse, PulseSettings
from nexus.orchestrator.runner import Bench
from nexus.orchestrator.tending import tend
from nexus.settings import Settings, read_settings
from nexus.tools.equipment import build_equipment
from nexus.wiring import Parts, open_engine, running

LEAVE_SECONDS: Final = 7.0
"""What ending takes at most, beyond the drain; whoever supervises waits a little longer."""

log = structlog.get_logger("nexus.worker")  # also when it runs as __main__


def main() -> None:
    """Run a worker with the environment's settings; exit 0 after a drain, 1 if it cannot start."""
    try:
        settings = read_settings()
        configure_logs(settings.log_level)
        uvloop.run(serve(settings))
    except OperatorError as wrong:
        sys.stderr.write(f"nexus worker: {wrong.message}\n")
        if wrong.hint:
            sys.stderr.write(f"  {wrong.hint}\n")
        sys.exit(1)


async def serve(settings: Settings) -> None:
    """Work until a signal says stop."""
    stop = asyncio.Event()
    departure = Departure(stop, settings.drain_seconds + LEAVE_SECONDS)
    departure.listen()
    async with open_engine(settings) as parts:
        await work(settings, parts, stop, departure)


async def work(
    settings: Settings, parts: Parts, stop: asyncio.Event, departure: Departure | None = None
) -> None:
    """Join, work until `stop` is set, drain and leave."""
    board = RateBoard(parts.redis, parts.database.installation_id)
    loudspeaker = Loudspeaker(parts.redis, parts.database.installation_id)
    models = ModelBook(settings, board, loudspeaker)
    toolkit = Toolkit()
    if not await parts.engine.persist(lambda turn: is_work_open()):
        # Nobody waits: what agents need is loaded before work comes, not beside it.
        await toolkit.ready()
    # What is loaded by now stays: collecting garbage need not look at it again and again.
    gc.collect()
    gc.freeze()
    equipment = await build_equipment(settings, parts.memory)
    bench = Bench(parts.database, parts.engine, equipment, models, Folders(settings.data), toolkit)
    worker_id, lock = new_worker(settings.data)
    hand = Hand(worker_id)
    consumer = Consumer(
        bench,
        parts.queue,
        hand,
        slots=settings.concurrency,
        drain_seconds=settings.drain_seconds,
    )
    loop = asyncio.get_running_loop()
    pulse = Pulse(
        PulseSettings(
            parts.database.address,
            parts.database.installation_id,
            settings.data,
            settings.concurrency,
            settings.lease_seconds,
            lambda: locations.redis_url(settings),
        ),
        hand,
        lambda subtask_id, claim: _on_loop(loop, consumer, subtask_id, claim),
    )
    if departure is not None:
        departure.last_act = pulse.give_back
    asked_at = now()
    await parts.engine.persist(
        lambda turn: join(worker_id, settings.concurrency, settings.lease_seconds)
    )
    hand.renew(asked_at, settings.lease_seconds)
    beating = pulse.start()
    log.info("worker.started", worker=worker_id, model=models.default_name)
    try:
        remembers = settings.project_memory == "on"
        tending = tend(parts.database, parts.engine, parts.memory, remembers=remembers)
        async with running(loudspeaker.speak()), running(tending):
            await _work_while_beating(consumer, stop, beating)
    finally:
        try:
            await pulse.stop()
        finally:
            await _leave(parts, hand, lock)
            await models.close()
            await equipment.close()
    log.info("worker.stopped", worker=worker_id)


async def _work_while_beating(
    consumer: Consumer, stop: asyncio.Event, beating: "asyncio.Future[None]"
) -> None:
    """Work until told to stop, or until the pulse ends: without it the lease is soon over."""
    working = asyncio.ensure_future(consumer.work(stop))
    try:
        await asyncio.wait({working, beating}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            log.critical("pulse.ended", hint="the worker gives back what it holds and ends")
            stop.set()
            consumer.end_now()
        await working
    finally:
        working.cancel()


async def _leave(parts: Parts, hand: Hand, lock: FileLock) -> None:
    with suppress(ServiceMissing):
        await parts.queue.leave(hand.worker_id)
    if not hand.is_empty:
        # Whoever obtains the lock gives it back for us; after a crash that counts as one.
        if hand.is_draining:
            note_departure(lock.path)
        lock.release()
        return
    with suppress(ServiceMissing):
        await parts.engine.run(lambda turn: leave(hand.worker_id))
    lock.path.unlink(missing_ok=True)
    lock.release()


def _on_loop(
    loop: asyncio.AbstractEventLoop, consumer: Consumer, subtask_id: str, claim: int
) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(consumer.abandon, subtask_id, claim)


if __name__ == "__main__":
    main()
