"""LangGraph's functional API with `durability="sync"`: an entrypoint that calls a task a step."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.func import entrypoint, task

from benchmarks.peers.frame import Engine, Job, main, rest
from benchmarks.shapes import Shape, Step


class Functions:
    """Runs shapes as entrypoints over one checkpointer."""

    def __init__(self, job: Job, saver: Any) -> None:
        self._job = job
        self._saver = saver

    async def graph(self, name: str, shape: Shape) -> float:
        """Call each step's task when those before it are done."""
        job = self._job

        @task
        async def take(at: int) -> str:
            await rest(shape[at], job.log)
            return "done"

        @entrypoint(checkpointer=self._saver)
        async def whole(asked: str) -> int:
            done = {step.key: asyncio.Event() for step in shape}

            async def follow(at: int, step: Step) -> None:
                for key in step.after:
                    await done[key].wait()
                await take(at)
                done[step.key].set()

            await asyncio.gather(*(follow(at, step) for at, step in enumerate(shape)))
            return len(shape)

        thread = {"configurable": {"thread_id": name}}
        begun = time.perf_counter()
        await whole.ainvoke("go", thread, durability="sync")
        return time.perf_counter() - begun

    async def agents(self, count: int, rounds: int) -> float:
        raise NotImplementedError("measured with the graph API")


@asynccontextmanager
async def open_functions(job: Job) -> AsyncIterator[Engine]:
    """Open the checkpointer."""
    saver = (
        AsyncSqliteSaver.from_conn_string(job.sqlite_path)
        if job.is_sqlite
        else AsyncPostgresSaver.from_conn_string(job.database)
    )
    async with saver as opened:
        await opened.setup()
        yield Functions(job, opened)


if __name__ == "__main__":
    main(open_functions)
