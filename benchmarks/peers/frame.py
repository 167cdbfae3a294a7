"""What every peer's file is run by: warm up, do one workload, print its seconds as JSON.

Only the standard library: a peer's environment has nothing of Nexus.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.shapes import SMALL, WHOLE, Shape, Sizes, Step


@dataclass(frozen=True, slots=True)
class Job:
    """Where a peer keeps its state and finds its services; `log` is where steps say they began."""

    folder: Path
    database: str
    redis_url: str
    model_url: str
    log: Path | None
    resume: bool

    @property
    def is_sqlite(self) -> bool:
        return self.database.startswith("sqlite")

    @property
    def sqlite_path(self) -> str:
        """The file of a SQLite database."""
        return self.database.removeprefix("sqlite:///")


class Engine(Protocol):
    """A peer that is ready: it runs shapes, and agents of some rounds one after the other."""

    async def graph(self, name: str, shape: Shape) -> float:
        """Run a shape durably under a name; return its seconds."""

    async def agents(self, count: int, rounds: int) -> float:
        """Run agents that call a tool `rounds` times each; return the seconds of all."""


Opener = Callable[[Job], contextlib.AbstractAsyncContextManager[Engine]]


async def rest(step: Step, log: Path | None) -> None:
    """Do what a step does: say that it began, where that is wanted, and wait."""
    witness(step.key, log)
    if step.seconds:
        await asyncio.sleep(step.seconds)


def witness(key: str, log: Path | None) -> None:
    """Append the key of a step that begins, and the time, in one write."""
    if log is not None:
        note = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(note, f"{key} {time.time():.6f}\n".encode())
        os.close(note)


async def _measure(opener: Opener, job: Job, workload: str, sizes: Sizes) -> float:
    async with opener(job) as engine:
        if workload == "w5":
            await engine.agents(1, SMALL.rounds)
            return await engine.agents(sizes.agents, sizes.rounds)
        if workload == "w6":
            return await engine.graph("crash", sizes.shape("w4"))
        await engine.graph("warm-chain", SMALL.shape("w1"))
        await engine.graph("warm-fan", SMALL.shape("w2"))
        return await engine.graph("measured", sizes.shape(workload))


def main(opener: Opener) -> None:
    """Run the workload of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workload")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--redis", default="")
    parser.add_argument("--model", default="")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    job = Job(given.folder, given.database, given.redis, given.model, given.log, given.resume)
    sizes = SMALL if given.small else WHOLE
    seconds = asyncio.run(_measure(opener, job, given.workload, sizes))
    sys.stdout.write(json.dumps({"seconds": seconds}) + "\n")
