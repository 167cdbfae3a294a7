"""DBOS: one workflow, a step of it for each step of the shape.

Each step's outcome is a row of the system database before the workflow goes on.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dbos import DBOS, SetWorkflowID

from benchmarks.peers.frame import Engine, Job, main, rest
from benchmarks.shapes import WHOLE, Shape, Step

_shapes: dict[str, Shape] = {}
_jobs: list[Job] = []


@DBOS.step()
async def take(name: str, at: int) -> str:
    """Do one step."""
    await rest(_shapes[name][at], _jobs[0].log)
    return "done"


@DBOS.workflow()
async def run_shape(name: str) -> int:
    """Start each step when those before it are done."""
    shape = _shapes[name]
    done = {step.key: asyncio.Event() for step in shape}

    async def follow(at: int, step: Step) -> None:
        for key in step.after:
            await done[key].wait()
        await take(name, at)
        done[step.key].set()

    await asyncio.gather(*(follow(at, step) for at, step in enumerate(shape)))
    return len(shape)


@DBOS.workflow()
async def run_chain(name: str) -> int:
    """Take the steps one after the other: what anybody would write for a chain."""
    for at in range(len(_shapes[name])):
        await take(name, at)
    return len(_shapes[name])


class Workflows:
    """Runs shapes as workflows of this process."""

    def __init__(self, job: Job) -> None:
        self._job = job

    async def graph(self, name: str, shape: Shape) -> float:
        """Run a shape; with `resume`, wait for what DBOS has taken up by itself."""
        _shapes[name] = shape
        is_chain = all(len(step.after) <= 1 for step in shape) and not shape[-1].seconds
        begun = time.perf_counter()
        if self._job.resume:
            handle = await DBOS.retrieve_workflow_async(name)
            await handle.get_result()
        else:
            with SetWorkflowID(name):
                await (run_chain if is_chain else run_shape)(name)
        return time.perf_counter() - begun

    async def agents(self, count: int, rounds: int) -> float:
        raise NotImplementedError("DBOS has no agents of its own")


def launch(job: Job) -> None:
    """Start DBOS in this process over the job's database."""
    address = job.database
    if not job.is_sqlite:
        address = address.replace("postgresql:", "postgresql+psycopg:")
    DBOS(
        config={
            "name": "bench",
            "system_database_url": address,
            "log_level": "ERROR",
            "application_version": "bench",
        }
    )
    DBOS.launch()


@asynccontextmanager
async def open_workflows(job: Job) -> AsyncIterator[Engine]:
    """Launch DBOS, which takes up at once what a killed process left."""
    _jobs.append(job)
    _shapes["crash"] = WHOLE.shape("w4")
    launch(job)
    try:
        yield Workflows(job)
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    main(open_workflows)
