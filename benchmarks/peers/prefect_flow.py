"""Prefect with a server of its own: a flow that submits a task a step, results persisted."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.peers.frame import Engine, Job, main
from benchmarks.shapes import Shape

THREADS = 1_000


class Flows:
    """Runs shapes as flows in a thread, as Prefect's own runner has threads."""

    async def graph(self, name: str, shape: Shape) -> float:
        """Run a shape."""
        return await asyncio.to_thread(_run, shape)

    async def agents(self, count: int, rounds: int) -> float:
        raise NotImplementedError("Prefect has no agents")


def _run(shape: Shape) -> float:
    from prefect import flow, task
    from prefect.task_runners import ThreadPoolTaskRunner

    @task(persist_result=True)
    def take(seconds: float) -> str:
        if seconds:
            time.sleep(seconds)
        return "done"

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=THREADS), persist_result=True)
    def whole() -> int:
        futures: dict[str, Any] = {}
        for step in shape:
            waited = [futures[key] for key in step.after]
            futures[step.key] = take.submit(step.seconds, wait_for=waited)
        for future in futures.values():
            future.result()
        return len(futures)

    begun = time.perf_counter()
    whole()
    return time.perf_counter() - begun


@asynccontextmanager
async def open_flows(job: Job) -> AsyncIterator[Engine]:
    """Point Prefect at a home of its own and start its server in a process."""
    os.environ.update(
        PREFECT_HOME=str(job.folder / "prefect"),
        PREFECT_API_DATABASE_CONNECTION_URL=f"sqlite+aiosqlite:///{job.sqlite_path}",
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        PREFECT_LOGGING_LEVEL="ERROR",
        DO_NOT_TRACK="1",
    )
    yield Flows()


if __name__ == "__main__":
    main(open_flows)
