"""Progress: what the database wrote is what the schema says, and what the tables hold."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nexus.domain.plan import Plan
from nexus.errors import NotFound
from nexus.schemas.progress import Progress
from nexus.services.caller import Caller, Scope
from nexus.services.progress import ProgressBoard
from nexus.services.task_texts import TaskTexts
from tests.support.rig import Rig, open_rig, task

CALLER = Caller("key_1", "default", frozenset(Scope), None)


@pytest.fixture
async def rig(tmp_path: Path, redis_url: str, database_url: str) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path, redis_url=redis_url, database_url=database_url) as rig:
        yield rig


def board_of(rig: Rig) -> ProgressBoard:
    return ProgressBoard(rig.parts.database, TaskTexts())


async def show(board: ProgressBoard, project_id: str, detail: str = "tasks") -> dict[str, Any]:
    """Read progress; make sure that it is what the schema says, no more and no less."""
    text = await board.show(CALLER, project_id, with_tasks=detail == "tasks")
    shown: dict[str, Any] = json.loads(text)
    model = Progress.model_validate_json(text, strict=True)
    left_out = {"phases": {"__all__": {"tasks"}}} if detail == "phases" else None
    assert model.model_dump(exclude=left_out) == shown
    return shown


def phased(*phases: tuple[str, list[dict[str, Any]]]) -> Plan:
    """Write a plan of phases that run one after another."""
    told = [
        {"key": key, "title": f'The "{key}" — täglich', "execution": "parallel", "tasks": tasks}
        for key, tasks in phases
    ]
    return Plan.model_validate({"execution": "sequential", "phases": told})


def states(shown: dict[str, Any]) -> dict[str, str]:
    return {one["key"]: one["status"] for phase in shown["phases"] for one in phase["tasks"]}


async def test_progress_before_there_is_a_plan(rig: Rig) -> None:
    project = await rig.create(None)

    shown = await show(board_of(rig), project)

    assert shown["phases"] == []
    assert set(shown["counts"].values()) == {0}


async def test_another_workspaces_project_is_not_there(rig: Rig) -> None:
    project = await rig.create(phased(("a", [task("one")])))
    stranger = Caller("key_2", "elsewhere", frozenset(Scope), None)
    board = board_of(rig)
    await show(board, project)

    for with_tasks in (True, False):
        with pytest.raises(NotFound):
            await board.show(stranger, project, with_tasks=with_tasks)


async def test_a_reset_task_behind_a_barrier_is_pending_not_queued(rig: Rig) -> None:
    """Both phases fail; on retry the second waits for the first, whatever it ran as before."""
    plan = phased(
        ("first", [task("one", "broken")]), ("second", [task("two", "broken"), task("three")])
    )
    board = board_of(rig)
    project = await rig.start(plan)
    async with rig.worker():
        assert await rig.end(project) == "failed"
    assert states(await show(board, project)) == {
        "one": "failed",
        "two": "failed",
        "three": "succeeded",
    }

    await rig.parts.engine.run(lambda turn: rig.parts.engine.retry(turn, "default", project))

    shown = await show(board, project)
    assert states(shown) == {"one": "queued", "two": "pending", "three": "succeeded"}
    assert [phase["status"] for phase in shown["phases"]] == ["queued", "running"]
    assert {key: shown["counts"][key] for key in ("queued", "pending")} == {
        "queued": 1,
        "pending": 1,
    }
    two = (await rig.tasks(project))["two"]
    assert (two.subtask_id, two.earlier_subtask_id is None) == (None, False)
    async with rig.worker():
        assert await rig.end(project) == "failed"
    again = (await rig.tasks(project))["two"]
    assert again.earlier_subtask_id == two.earlier_subtask_id != again.subtask_id


async def test_what_is_kept_between_looks_is_what_a_first_look_sees(rig: Rig) -> None:
    """While tasks run, fail, are tried again, skipped and cancelled, with looks all the time."""
    first = [task(f"a{n}", "flaky", instructions="2") for n in range(5)]
    first += [task("broken", "broken"), task("after", "echo", "broken")]
    second = [task(f"b{n}", "echo") for n in range(20)]
    project = await rig.start(phased(("first", first), ("second", second)))
    kept, compared = board_of(rig), 0

    async def compare() -> dict[str, Any]:
        nonlocal compared
        mine, fresh = await show(kept, project), await show(board_of(rig), project)
        few = await show(kept, project, "phases")
        if mine["last_event_seq"] == fresh["last_event_seq"]:
            compared += 1
            assert {**mine, "eta_seconds": None} == {**fresh, "eta_seconds": None}
        assert Counter(states(mine).values()) == Counter(
            {name: number for name, number in mine["counts"].items() if number}
        )
        if few["last_event_seq"] == mine["last_event_seq"]:
            assert few["counts"] == mine["counts"]
        return mine

    await compare()
    async with rig.worker():
        shown = await compare()
        while shown["status"] == "running":
            shown = await compare()
    assert shown["percent"] == 100 * 25 // 27
    assert {one["attempt"] for one in shown["phases"][0]["tasks"]} == {0, 1, 2}
    await rig.parts.engine.run(lambda turn: rig.parts.engine.retry(turn, "default", project))
    await compare()
    await rig.parts.engine.run(lambda turn: rig.parts.engine.cancel(turn, "default", project))
    assert (await compare())["counts"]["cancelled"] == 2
    assert compared > 3
    rows = await rig.tasks(project)
    assert {key: row.status for key, row in rows.items()} == states(await show(kept, project))
