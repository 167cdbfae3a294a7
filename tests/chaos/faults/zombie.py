"""A worker stopped past its lease and woken: what it held is somebody else's, and it goes on."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from tests.chaos.conversation import reply_to, task_of
from tests.chaos.fault import Figures, fault, require
from tests.chaos.measures import running_under
from tests.chaos.member import Member
from tests.chaos.world import World
from tests.scripted_model import Reply
from tests.support.rig import plan, task

TASKS: Final = 4
DATABASE: Final = "nexus.db"
WRITING_SECONDS: Final = 2.0
"""Longer than any living process keeps the others from writing."""


class Held:
    """Answers the first calls only when told to: whoever made them hears it after its sleep."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self._seen: set[str] = set()

    async def __call__(self, request: dict[str, Any]) -> Reply:
        if task_of(request) not in self._seen:
            self._seen.add(task_of(request))
            await self.let_go.wait()
        return reply_to(request)


async def _put_to_sleep(world: World, worker: Member) -> None:
    """Stop a worker outside of its transactions: on SQLite, where nobody else writes during one,
    `stopped-inside` is about those."""
    worker.pause()
    while world.kind == "sqlite" and not await asyncio.to_thread(_is_writable, world.folder):
        worker.resume()
        worker.pause()


def _is_writable(folder: Path) -> bool:
    with closing(sqlite3.connect(folder / DATABASE, timeout=WRITING_SECONDS)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.rollback()
    return True


@fault(
    "zombie",
    row="SIGSTOP a worker past its lease, SIGCONT: its writes touch no row, and it goes on",
    runs=20,
    short_databases=("postgresql",),
)
async def zombie(world: World) -> Figures:
    held = Held()
    world.model.script = held
    other = world.spawn_worker(elsewhere=True)
    sleeper = await world.start_worker(elsewhere=True)
    await world.joined([other])
    project = await world.submit(
        plan(*(task(f"t{n}", "marker", instructions="marks: 1") for n in range(TASKS)))
    )
    await world.model.wait_for_calls(TASKS)
    claimed = {one.id: await running_under(world, one.id) for one in (sleeper, other)}
    sleeper, other = sorted((sleeper, other), key=lambda one: -len(claimed[one.id]))
    slept = claimed[sleeper.id]
    await _put_to_sleep(world, sleeper)
    world.interruptions += 1

    async def are_taken_over() -> bool:
        return not await running_under(world, sleeper.id)

    await world.until(are_taken_over, within=20, what="the sleeper's subtasks to be taken")
    held.let_go.set()
    if world.random.random() < 0.5:
        await world.end([project])
    sleeper.resume()
    states = await world.end([project])
    require(states[project] == "succeeded", f"the project {states[project]}")
    finished = await world.count("SELECT count(*) FROM events WHERE type = 'subtask.succeeded'")
    require(finished == TASKS, f"{finished} subtasks were finished, there are {TASKS}")
    await asyncio.to_thread(other.end)
    after = await world.submit(plan(task("after", "quick")), "After the sleep")
    states = await world.end([after], within=20)
    require(states[after] == "succeeded", f"the woken worker left the project {states[after]}")
    by = await world.rows(
        "SELECT data FROM events WHERE type = 'subtask.started' AND project_id = :one", one=after
    )
    workers = {json.loads(row["data"])["worker"] for row in by}
    require(workers == {sleeper.id}, "the woken worker did not go on under its own name")
    dropped = sum(
        f'"{word}"' in line
        for line in sleeper.log.splitlines()
        for word in ("subtask.dropped", "subtask.abandoned")
    )
    return {"slept over": len(slept), "dropped": dropped, "rows touched": 0, "finished": finished}
