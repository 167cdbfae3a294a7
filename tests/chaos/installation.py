"""An installation of its own for one run: a database, a Valkey, a model server, real processes.

Workers and the API are processes; this one starts and ends them and reads the tables. It
never runs an agent.
"""

import asyncio
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx2
from sqlalchemy import text

from nexus.models.database import Database
from nexus.settings import Settings, read_settings
from nexus.wiring import open_engine
from tests.chaos.agents import EFFECTS
from tests.chaos.conversation import marking
from tests.chaos.fault import Violation
from tests.chaos.ground import Ground
from tests.chaos.member import Member, fork, start
from tests.scripted_model import ScriptedModel
from tests.support.history import Row
from tests.support.places import ROOT, free_port
from tests.support.valkey import run_valkey
from tests.support.variables import VARIABLES

T = TypeVar("T")
PLUGINS: Final = ("tests.support.sample_agents", "tests.chaos.agents")
RUN: Final = "CHAOS_RUN"
LEASE_SECONDS: Final = 1.0
SHORT_LEASE_SECONDS: Final = 2.0
SHORT_SLACK_SECONDS: Final = 8.0
"""The short tier runs beside other tests: it judges what happens, hardly how fast."""
GRAIN_SECONDS: Final = 0.03
START_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 60.0


def now_us() -> int:
    """The clock of this machine, which is also the databases', in microseconds."""
    return time.time_ns() // 1_000


class Installation:
    """Used as an async context manager; ends every process it started.

    `settings` are variables that a fault gives to every process it starts from then on;
    `interruptions` counts the times a running process was ended or cut off: each excuses one
    repetition of whatever was in flight.
    """

    def __init__(
        self, ground: Ground, name: str, *, database: str, seed: int, short: bool = False
    ) -> None:
        self.kind = database
        self.seed = seed
        self.is_short = short
        self.random = random.Random(seed)
        self.folder = ground.make_folder(f"{name}-{database}-{seed}")
        self.ground = ground
        self.members: list[Member] = []
        self.interruptions = 0
        self.marker = f"{os.getpid()}-{time.time_ns()}"
        self.lease_seconds = SHORT_LEASE_SECONDS if short else LEASE_SECONDS
        self.slack_seconds = SHORT_SLACK_SECONDS if short else 0.0
        self.model = ScriptedModel(marking(seed, 0.02, 0.15))
        self.settings: dict[str, str] = {}
        self.nursery = ground.nursery
        self.redis_port = free_port()
        self.api_port = free_port()
        self.database_url = ""
        self._valkey = ExitStack()
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._opened.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._opened.aclose()

    async def _open(self) -> None:
        self.temporary.mkdir()
        self.database_url = await self._opened.enter_async_context(
            self.ground.database(self.kind, self.folder)
        )
        self._opened.callback(self.stop_valkey)
        self.start_valkey()
        await self._opened.enter_async_context(self.model)
        async with self.ground.opening:
            self.parts = await self._opened.enter_async_context(open_engine(self._own_settings()))
        self._opened.push_async_callback(self.end_members)

    @property
    def temporary(self) -> Path:
        """The directory for temporary files of every process of this world."""
        return self.folder / "tmp"

    @property
    def effects_file(self) -> Path:
        return self.folder / "effects"

    @property
    def data(self) -> Path:
        """The data directory of processes that share one machine."""
        return self.folder / "data"

    @property
    def database(self) -> Database:
        return self.parts.database

    def _own_settings(self) -> Settings:
        return read_settings(
            data_dir=self.data,
            database_url=self.database_url,
            redis_url=self.redis_url,
            chroma_url="http://127.0.0.1:1",
            plugins=PLUGINS,
            model="offline",
        )

    async def keep(self, opened: AbstractAsyncContextManager[T]) -> T:
        """Enter something that must last until every process of this world has ended."""
        return await self._opened.enter_async_context(opened)

    # Services

    @property
    def redis_url(self) -> str:
        return f"redis://127.0.0.1:{self.redis_port}/0"

    def start_valkey(self) -> None:
        """Start Valkey, empty, where everybody looks for it."""
        self._valkey.enter_context(run_valkey(self.folder / "valkey", port=self.redis_port))

    def stop_valkey(self) -> None:
        """End Valkey with all it holds; harmless when it is not running."""
        self._valkey.close()

    # Processes

    def environment(self, data: Path, changes: Mapping[str, str]) -> dict[str, str]:
        """What a process of this world is told; nothing of the settings of whoever runs it."""
        kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(self.temporary),
            RUN: self.marker,
            EFFECTS: str(self.effects_file),
            "NEXUS_DATA_DIR": str(data),
            "NEXUS_DATABASE_URL": self.database_url,
            "NEXUS_REDIS_URL": self.redis_url,
            "NEXUS_CHROMA_URL": "http://127.0.0.1:1",
            "NEXUS_LEASE_SECONDS": str(self.lease_seconds),
            "NEXUS_PLUGINS": ",".join(PLUGINS),
            "NEXUS_MODEL": "openai:scripted",
            "OPENAI_BASE_URL": self.model.base_url,
            **self.settings,
            **changes,
        }

    def spawn(
        self, kind: str, command: Sequence[str], environment: Mapping[str, str], **options: Any
    ) -> Member:
        """Start a process of this world; it is ended with the world if not before.

        A warm world forks it, unless it must be started with libraries of its own.
        """
        name = f"{len(self.members):02d}-{kind}"
        if self.nursery and "LD_PRELOAD" not in environment:
            wanted = {"kind": kind, "options": options}
            member = fork(self.nursery, name, wanted, environment, self.folder)
        else:
            member = start(name, command, environment, self.folder)
        self.members.append(member)
        return member

    def spawn_worker(self, *, elsewhere: bool = False, **changes: str) -> Member:
        """Start a worker without waiting; `elsewhere`: as if on a machine of its own."""
        data = self.folder / f"data-{len(self.members)}" if elsewhere else self.data
        command = [sys.executable, str(ROOT / "worker.py")]
        return self.spawn("worker", command, self.environment(data, changes))

    async def start_worker(self, *, elsewhere: bool = False, **changes: str) -> Member:
        """Start a worker and wait until it has joined."""
        return (await self.joined([self.spawn_worker(elsewhere=elsewhere, **changes)]))[0]

    async def start_workers(self, count: int, *, elsewhere: bool = False) -> list[Member]:
        """Start workers side by side and wait until they have joined."""
        return await self.joined([self.spawn_worker(elsewhere=elsewhere) for _ in range(count)])

    async def joined(self, workers: list[Member]) -> list[Member]:
        """Wait until these workers are in the database; give each its id."""
        for worker in workers:
            await self.until(partial(self._has_joined, worker), within=START_SECONDS)
        return workers

    async def _has_joined(self, worker: Member) -> bool:
        if not worker.is_alive:
            raise Violation(f"{worker.name} ended while starting:\n{worker.log[-2_000:]}")
        rows = await self.rows(
            "SELECT id, started_at FROM workers WHERE pid = :pid AND started_at >= :since",
            pid=worker.pid,
            since=worker.started_us,
        )
        if rows:
            worker.id, worker.joined_us = rows[0]["id"], rows[0]["started_at"]
        return bool(rows)

    async def start_api(self, **changes: str) -> Member:
        """Start the API where it was before, and wait until it answers."""
        where = ("--host", "127.0.0.1", "--port", str(self.api_port), "--no-access-log")
        command = [sys.executable, "-m", "uvicorn", "nexus.main:app", *where]
        environment = self.environment(self.data, changes)
        api = self.spawn("api", command, environment, host="127.0.0.1", port=self.api_port)
        async with httpx2.AsyncClient(timeout=5) as http:
            await self.until(lambda: self._answers(api, http), within=START_SECONDS)
        return api

    async def _answers(self, api: Member, http: httpx2.AsyncClient) -> bool:
        if not api.is_alive:
            raise Violation(f"{api.name} ended while starting:\n{api.log[-2_000:]}")
        try:
            return (await http.get(f"{self.api_url}/healthz")).status_code == 200
        except httpx2.TransportError:
            return False

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    def client(self) -> httpx2.AsyncClient:
        """Make a client of the API with the admin key."""
        key = (self.data / "admin.key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        return httpx2.AsyncClient(base_url=self.api_url, headers=headers, timeout=30)

    def kill(self, member: Member) -> int:
        """Kill -9 a process; return when, in microseconds."""
        self.interruptions += 1
        return member.kill()

    async def end_members(self) -> dict[str, int]:
        """End what still runs, side by side; return the exit codes by name."""
        living = [member for member in self.members if member.is_alive]
        codes = await asyncio.gather(*(asyncio.to_thread(member.end) for member in living))
        return {member.name: code for member, code in zip(living, codes, strict=True)}

    # Looking

    async def rows(self, sql: str, **values: Any) -> list[Row]:
        """Read rows by column name; parameters are written `:name`."""
        async with self.database.read() as session:
            found = await session.execute(text(sql), values)
            return [dict(row) for row in found.mappings()]

    async def count(self, sql: str, **values: Any) -> int:
        """Read one number."""
        async with self.database.read() as session:
            return int((await session.execute(text(sql), values)).scalar_one())

    async def until(
        self, condition: Callable[[], Any], within: float = PATIENCE_SECONDS, what: str = ""
    ) -> Any:
        """Wait until a condition (plain or async) is true; return what it answered.

        Raises:
            Violation: it was not true in time.
        """
        over = time.monotonic() + within
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            if time.monotonic() > over:
                raise Violation(f"waited {within:g} s in vain for {what or condition}")
            await asyncio.sleep(GRAIN_SECONDS)
