"""DBOS's queues: each step of a fan-out is a workflow of its own that goes through a queue.

The nearest DBOS has to handing work to whichever process is free.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dbos import DBOS, SetWorkflowID

from benchmarks.peers.dbos_steps import launch
from benchmarks.peers.frame import Engine, Job, main, rest
from benchmarks.shapes import Shape

QUEUE = "bench"
POLL_SECONDS = 0.05
"""Twenty times as often as by default: a queue should not be slow for lack of looking."""

_shapes: dict[str, Shape] = {}


@DBOS.workflow()
async def work(name: str, at: int) -> str:
    """Do one step."""
    await rest(_shapes[name][at], None)
    return "done"


@DBOS.workflow()
async def fan(name: str) -> int:
    """Do the first step, enqueue those after it, and do the last when all are done."""
    last = len(_shapes[name]) - 1
    await work(name, 0)
    handles = [await DBOS.enqueue_workflow_async(QUEUE, work, name, at) for at in range(1, last)]
    await asyncio.gather(*(handle.get_result() for handle in handles))
    await work(name, last)
    return last


class Queues:
    """Runs fan-outs."""

    async def graph(self, name: str, shape: Shape) -> float:
        """Run a fan-out; of a chain nothing goes through a queue."""
        if len(shape[-1].after) <= 1:
            return 0.0
        _shapes[name] = shape
        begun = time.perf_counter()
        with SetWorkflowID(name):
            await fan(name)
        return time.perf_counter() - begun

    async def agents(self, count: int, rounds: int) -> float:
        raise NotImplementedError("DBOS has no agents of its own")


@asynccontextmanager
async def open_queues(job: Job) -> AsyncIterator[Engine]:
    """Launch DBOS with one queue."""
    launch(job)
    try:
        await DBOS.register_queue_async(QUEUE, polling_interval_sec=POLL_SECONDS)
        yield Queues()
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    main(open_queues)
