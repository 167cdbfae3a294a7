"""Celery with Redis: one worker process of 500 threads, acknowledging late, results kept.

Its canvas has chains and chords but no graphs, so there is no W4.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from celery import Celery, chain, chord

from benchmarks.peers.frame import Engine, Job, main
from benchmarks.shapes import Shape

ANSWER_SECONDS = 240.0
THREADS = 500

app = Celery("benchmarks.peers.celery_tasks")
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)


@app.task(name="bench.step")
def step(_: object, seconds: float) -> str:
    """Wait."""
    if seconds:
        time.sleep(seconds)
    return "done"


class Tasks:
    """Sends canvases to a worker and waits for the last result."""

    async def graph(self, name: str, shape: Shape) -> float:
        """Run a chain, or a fan-out as a chord."""
        middle = [step.s(one.seconds) for one in shape[1:-1]]
        whole = (
            chain(step.s(None, 0.0), *(step.s(0.0) for _ in shape[1:]))
            if len(shape[-1].after) == 1
            else chain(step.s(None, 0.0), chord(middle, step.s(0.0)))
        )
        begun = time.perf_counter()
        await asyncio.to_thread(whole.apply_async().get, timeout=ANSWER_SECONDS, interval=0.005)
        return time.perf_counter() - begun

    async def agents(self, count: int, rounds: int) -> float:
        raise NotImplementedError("Celery has no agents")


def _start_worker(job: Job) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "celery", "-A", "benchmarks.peers.celery_tasks", "-b"]
    command += [job.redis_url, "--result-backend", job.redis_url, "worker", "-P", "threads"]
    command += ["-c", str(THREADS), "-l", "WARNING", "--without-gossip", "--without-mingle"]
    with (job.folder / "worker.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


@asynccontextmanager
async def open_tasks(job: Job) -> AsyncIterator[Engine]:
    """Start a worker and wait until it answers."""
    app.conf.update(broker_url=job.redis_url, result_backend=job.redis_url)
    worker = await asyncio.to_thread(_start_worker, job)
    try:
        while not await asyncio.to_thread(app.control.ping, timeout=0.5):
            if worker.poll() is not None:
                raise RuntimeError((job.folder / "worker.log").read_text()[-1_000:])
        yield Tasks()
    finally:
        worker.terminate()
        await asyncio.to_thread(worker.wait, 30)


if __name__ == "__main__":
    main(open_tasks)
