"""A worker that is told to end does so, with exit code 0 and no attempt counted, whatever is in its way."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from nexus.worker import LEAVE_SECONDS
from tests.support.gateway import Gateway
from tests.support.places import free_port
from tests.support.rig import Rig, open_rig, opened, plan, task
from tests.support.waiting import until

DRAIN_SECONDS = 1.0
LONGEST = DRAIN_SECONDS + LEAVE_SECONDS + 4.0


async def ended(worker: subprocess.Popen[bytes]) -> tuple[int, float]:
    """Tell a worker to end; return its exit code and how long it took."""
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    code = await asyncio.to_thread(worker.wait, 30)
    return code, time.monotonic() - began


async def running(rig: Rig, project: str) -> None:
    async def is_running() -> bool:
        return [one.status for one in await rig.subtasks(project)] == ["running"]

    await until(is_running, timeout=60)


async def ends_in_spite_of(agent: str, rig: Rig) -> None:
    project = await rig.start(plan(task("a", agent, instructions="60", max_attempts=1)))
    worker = rig.worker_process()
    await running(rig, project)
    code, seconds = await ended(worker)
    assert code == 0
    assert seconds < LONGEST
    [subtask] = await rig.subtasks(project)
    assert (subtask.status, subtask.attempt, subtask.attempt_open) == ("queued", 1, 1)
    assert (await rig.events(project))[-1].type == "subtask.released"


async def test_agents_that_do_not_end(tmp_path: Path, redis_url: str) -> None:
    async with AsyncExitStack() as rigs, asyncio.TaskGroup() as side_by_side:
        for agent in ("stubborn", "hog", "threaded", "sore"):
            (tmp_path / agent).mkdir()
            rig = await rigs.enter_async_context(open_rig(tmp_path / agent, redis_url=redis_url))
            side_by_side.create_task(ends_in_spite_of(agent, rig))


async def test_without_redis(tmp_path: Path) -> None:
    missing = f"redis://127.0.0.1:{free_port()}/0"
    async with open_rig(tmp_path, redis_url=missing) as rig:
        options = json.dumps({"folder": str(tmp_path)})
        project = await rig.start(plan(task("a", "gate", instructions=options, max_attempts=1)))
        worker = rig.worker_process()
        await running(rig, project)
        code, seconds = await ended(worker)
        assert code == 0
        assert seconds < LONGEST
        [subtask] = await rig.subtasks(project)
        assert (subtask.status, subtask.attempt_open) == ("queued", 1)


async def drained_without_the_database(rig: Rig, shut: Callable[[], object], **way: str) -> str:
    """Tell a worker to end while its database is away; return the project it worked for."""
    options = json.dumps({"folder": str(rig.folder)})
    project = await rig.start(plan(task("a", "gate", instructions=options, max_attempts=1)))
    worker = rig.worker_process(**way)
    await until((rig.folder / "a.begun").exists, timeout=20)
    shut()
    code, seconds = await ended(worker)
    assert code == 0
    assert seconds < LONGEST
    opened(rig.folder, ["a"])
    return project


async def goes_on_without_counting(rig: Rig, project: str) -> None:
    rig.worker_process()
    assert await rig.end(project) == "succeeded"
    [subtask] = await rig.subtasks(project)
    assert subtask.attempt == 1


async def test_while_sqlite_cannot_be_written(tmp_path: Path, redis_url: str) -> None:
    path = tmp_path / "nexus.db"
    async with open_rig(tmp_path, redis_url=redis_url, database_url=f"sqlite:///{path}") as rig:
        holder = sqlite3.connect(path, isolation_level=None, timeout=30)
        project = await drained_without_the_database(rig, lambda: holder.execute("BEGIN IMMEDIATE"))
        holder.close()
        await goes_on_without_counting(rig, project)


async def test_while_postgresql_is_away(tmp_path: Path, redis_url: str, postgres_url: str) -> None:
    async with (
        Gateway(postgres_url) as gateway,
        open_rig(tmp_path, redis_url=redis_url, database_url=postgres_url) as rig,
    ):
        project = await drained_without_the_database(
            rig, gateway.shut, NEXUS_DATABASE_URL=gateway.url
        )
        await goes_on_without_counting(rig, project)
