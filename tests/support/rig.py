"""A whole engine for a test: real database, real Redis, workers in this process or their own."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from nexus.domain.plan import Plan
from nexus.domain.states import PROJECT_TERMINAL
from nexus.models.projects import Event, Project, Task
from nexus.models.work import Subtask
from nexus.orchestrator.creating import NewProject
from nexus.settings import Settings, read_settings
from nexus.wiring import Parts, open_engine
from nexus.worker import work
from tests.support.places import ROOT
from tests.support.waiting import until

PLUGIN = "tests.support.sample_agents"
WORKSPACE = "default"


def task(key: str, agent: str = "echo", *after: str, **fields: Any) -> dict[str, Any]:
    """Write a task of a plan document."""
    return {"key": key, "title": key, "agent": agent, "depends_on": list(after), **fields}


def plan(*tasks: dict[str, Any], execution: str = "parallel") -> Plan:
    """Write a plan of one phase."""
    phase = {"key": "only", "title": "Only", "execution": execution, "tasks": list(tasks)}
    return Plan.model_validate({"phases": [phase]})


@dataclass
class Rig:
    """Parts of a process, and what tests ask of them."""

    settings: Settings
    parts: Parts
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    async def create(self, document: Plan | None, **fields: Any) -> str:
        """Make a project of a plan; return its id."""
        new = NewProject(WORKSPACE, fields.pop("goal", "A goal"), "A project", document, **fields)
        return await self.parts.engine.run(lambda turn: self.parts.engine.create(turn, new))

    async def start(self, document: Plan) -> str:
        """Make and execute a project; return its id."""
        return await self.create(document, auto_execute=True)

    async def row(self, project_id: str) -> Project:
        """Read a project's row."""
        async with self.parts.database.read() as session:
            return (
                await session.execute(select(Project).where(Project.id == project_id))
            ).scalar_one()

    async def end(self, project_id: str, within: float = 30) -> str:
        """Wait until a project is over; return its state."""

        async def over() -> bool:
            return (await self.row(project_id)).status in PROJECT_TERMINAL

        await until(over, timeout=within)
        return (await self.row(project_id)).status

    async def tasks(self, project_id: str) -> dict[str, Task]:
        """Read a project's tasks by key."""
        async with self.parts.database.read() as session:
            rows = await session.execute(select(Task).where(Task.project_id == project_id))
            return {row.key: row for row in rows.scalars()}

    async def subtasks(self, project_id: str) -> list[Subtask]:
        """Read a project's subtasks, oldest first."""
        async with self.parts.database.read() as session:
            rows = await session.execute(
                select(Subtask).where(Subtask.project_id == project_id).order_by(Subtask.id)
            )
            return list(rows.scalars())

    async def outputs(self, project_id: str) -> dict[str, str | None]:
        """Read the output of each task by key."""
        tasks = await self.tasks(project_id)
        by_id = {one.id: one.output for one in await self.subtasks(project_id)}
        return {key: by_id.get(row.subtask_id or "") for key, row in tasks.items()}

    async def events(self, project_id: str) -> list[Event]:
        """Read a project's events in order."""
        async with self.parts.database.read() as session:
            rows = await session.execute(
                select(Event).where(Event.project_id == project_id).order_by(Event.seq)
            )
            return list(rows.scalars())

    @asynccontextmanager
    async def worker(self, **overrides: Any) -> AsyncIterator[None]:
        """Run a worker inside this process for the length of the block; it drains at the end."""
        stop = asyncio.Event()
        settings = self.settings.model_copy(update=overrides)
        running = asyncio.create_task(work(settings, self.parts, stop))
        try:
            yield
        finally:
            stop.set()
            await running

    def worker_process(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker as a process of its own; it is killed with the rig if it still lives."""
        log = (self.folder / f"worker-{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "nexus.worker"],
            env={**os.environ, **self.environment(), **environment},
            cwd=self.folder,
            stdout=log,
            stderr=log,
        )
        log.close()
        self.processes.append(process)
        return process

    def environment(self) -> dict[str, str]:
        """The settings of this rig as environment variables for another process."""
        given = self.settings
        return {
            "PYTHONPATH": str(ROOT),
            "NEXUS_DATA_DIR": str(given.data),
            "NEXUS_DATABASE_URL": given.database_url or "",
            "NEXUS_REDIS_URL": given.redis_url or "",
            "NEXUS_LEASE_SECONDS": str(given.lease_seconds),
            "NEXUS_DRAIN_SECONDS": str(given.drain_seconds),
            "NEXUS_PLUGINS": PLUGIN,
            "NEXUS_MODEL": given.model or "",
            "OPENAI_BASE_URL": given.openai_base_url or "",
        }

    def end_processes(self) -> None:
        """Kill and reap what tests started and left running."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait(10)


@asynccontextmanager
async def open_rig(folder: Path, **overrides: Any) -> AsyncIterator[Rig]:
    """Open an engine over a data directory in `folder`."""
    values: dict[str, Any] = {
        "data_dir": folder / "data",
        "plugins": (PLUGIN,),
        "lease_seconds": 1.0,
        "drain_seconds": 1.0,
        "model": "offline",
        **overrides,
    }
    settings = read_settings(**values)
    async with open_engine(settings) as parts:
        rig = Rig(settings, parts, folder)
        try:
            yield rig
        finally:
            rig.end_processes()


def opened(folder: Path, keys: Iterable[str]) -> None:
    """Let `gate` tasks through."""
    for key in keys:
        (folder / f"{key}.open").write_text("")
