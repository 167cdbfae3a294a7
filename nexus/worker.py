"""One worker process: claims subtasks and runs their agents until it is told to stop.

Started by `python worker.py`, `nexus worker` and the embedded stack. The first SIGTERM or
SIGINT drains it; a second one ends it at once, and its claims are taken back.
"""

import asyncio
import signal
import sys
from contextlib import suppress

import structlog
import uvloop

from nexus import locations
from nexus.agents.builtin import preload
from nexus.errors import OperatorError, ServiceMissing
from nexus.llm.book import ModelBook
from nexus.locks import FileLock
from nexus.logs import configure_logs
from nexus.orchestrator.briefing import Folders
from nexus.orchestrator.consumer import Consumer
from nexus.orchestrator.hand import Hand
from nexus.orchestrator.membership import join, leave, new_worker
from nexus.orchestrator.pulse import Pulse, PulseSettings
from nexus.orchestrator.runner import Bench
from nexus.settings import Settings, read_settings
from nexus.tools.equipment import build_equipment
from nexus.wiring import Parts, open_engine

log = structlog.get_logger()


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
    _stop_on_signals(stop)
    async with open_engine(settings) as parts:
        await work(settings, parts, stop)


async def work(settings: Settings, parts: Parts, stop: asyncio.Event) -> None:
    """Join, work until `stop` is set, drain and leave."""
    models = ModelBook(settings)
    preloading = asyncio.create_task(asyncio.to_thread(preload))
    equipment = await build_equipment(settings, parts.memory)
    bench = Bench(parts.database, parts.engine, equipment, models, Folders(settings.data))
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
    await parts.engine.persist(
        lambda turn: join(worker_id, settings.concurrency, settings.lease_seconds)
    )
    beating = pulse.start()
    log.info("worker.started", worker=worker_id, model=models.default_name)
    try:
        await _work_while_beating(consumer, stop, beating)
    finally:
        try:
            await pulse.stop()
        finally:
            await _leave(parts, worker_id, lock)
            await preloading
            await models.close()
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


async def _leave(parts: Parts, worker_id: str, lock: FileLock) -> None:
    with suppress(ServiceMissing):
        await parts.engine.run(lambda turn: leave(worker_id))
    with suppress(ServiceMissing):
        await parts.queue.leave(worker_id)
    lock.path.unlink(missing_ok=True)
    lock.release()


def _on_loop(
    loop: asyncio.AbstractEventLoop, consumer: Consumer, subtask_id: str, claim: int
) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(consumer.abandon, subtask_id, claim)


def _stop_on_signals(stop: asyncio.Event) -> None:
    """Drain on the first signal; let the second one kill."""
    loop = asyncio.get_running_loop()

    def ask() -> None:
        stop.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)


if __name__ == "__main__":
    main()
