"""The floor: asyncio and SQLite, one commit for each step's outcome, and nothing else.

No engine that makes each step durable by itself can be faster on this machine.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.peers.frame import Engine, Job, main, rest
from benchmarks.shapes import Shape, Step


class Floor:
    """One table of outcomes."""

    def __init__(self, path: str, log: Path | None) -> None:
        self._log = log
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(
            "CREATE TABLE outcomes (run TEXT, key TEXT, output TEXT, PRIMARY KEY (run, key))"
        )

    async def graph(self, name: str, shape: Shape) -> float:
        """Run each step as a task of the loop once those before it are done."""
        done = {step.key: asyncio.Event() for step in shape}
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for step in shape:
                group.create_task(self._step(name, step, done))
        return time.perf_counter() - begun

    async def _step(self, name: str, step: Step, done: dict[str, asyncio.Event]) -> None:
        for key in step.after:
            await done[key].wait()
        await rest(step, self._log)
        self._connection.execute("INSERT INTO outcomes VALUES (?, ?, 'done')", (name, step.key))
        done[step.key].set()

    async def agents(self, count: int, rounds: int) -> float:
        raise NotImplementedError("the floor has no agents")

    def close(self) -> None:
        self._connection.close()


@asynccontextmanager
async def open_floor(job: Job) -> AsyncIterator[Engine]:
    """Open the floor over a new file."""
    floor = Floor(job.sqlite_path, job.log)
    try:
        yield floor
    finally:
        floor.close()


if __name__ == "__main__":
    main(open_floor)
