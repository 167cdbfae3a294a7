"""Pausing: what runs finishes, nothing new begins, and resuming goes on from there."""

import json
from typing import Any

import pytest

from nexus.errors import Conflict
from tests.support.rig import WORKSPACE, Rig, opened, plan, task
from tests.support.waiting import until


async def test_what_runs_finishes_and_nothing_new_begins(rig: Rig) -> None:
    engine = rig.parts.engine
    project = await rig.start(plan(_gate(rig, "first"), task("second", "echo", "first")))
    async with rig.worker():
        await _until_task(rig, project, "first", "running")
        await engine.run(lambda turn: engine.pause(turn, WORKSPACE, project))
        opened(rig.folder, ["first"])
        await _until_task(rig, project, "first", "succeeded")
        await _look_round(rig)

        assert (await rig.row(project)).status == "paused"
        assert [one.kind for one in await rig.subtasks(project) if one.status == "queued"] == [
            "work"
        ]
        assert (await rig.tasks(project))["second"].status == "pending"

        await engine.run(lambda turn: engine.resume(turn, WORKSPACE, project))
        assert await rig.end(project) == "succeeded"
    types = [event.type for event in await rig.events(project)]
    assert types.index("project.paused") < types.index("project.resumed")


async def test_what_ends_while_paused_ends_the_project_when_it_is_resumed(rig: Rig) -> None:
    engine = rig.parts.engine
    project = await rig.start(plan(_gate(rig, "only")))
    async with rig.worker():
        await _until_task(rig, project, "only", "running")
        await engine.run(lambda turn: engine.pause(turn, WORKSPACE, project))
        opened(rig.folder, ["only"])
        await _until_task(rig, project, "only", "succeeded")
    assert (await rig.row(project)).status == "paused"

    then = await engine.run(lambda turn: engine.resume(turn, WORKSPACE, project))

    assert then == "succeeded"


async def test_only_what_is_paused_is_resumed_and_only_what_moves_is_paused(rig: Rig) -> None:
    engine = rig.parts.engine
    project = await rig.create(plan(_gate(rig, "only")))

    with pytest.raises(Conflict, match="cannot pause a project that is planned"):
        await engine.run(lambda turn: engine.pause(turn, WORKSPACE, project))
    with pytest.raises(Conflict, match="cannot resume a project that is planned"):
        await engine.run(lambda turn: engine.resume(turn, WORKSPACE, project))
    await engine.run(lambda turn: engine.dispatch(turn, WORKSPACE, project))
    await engine.run(lambda turn: engine.pause(turn, WORKSPACE, project))
    await engine.run(lambda turn: engine.cancel(turn, WORKSPACE, project))
    assert (await rig.row(project)).status == "cancelled"


def _gate(rig: Rig, key: str) -> dict[str, Any]:
    return task(key, "gate", instructions=json.dumps({"folder": str(rig.folder)}))


async def _until_task(rig: Rig, project: str, key: str, status: str) -> None:
    async def is_so() -> bool:
        return (await rig.tasks(project))[key].status == status

    await until(is_so, timeout=20)


async def _look_round(rig: Rig) -> None:
    """Let a project that is not paused come and go: the workers have looked at everything."""
    assert await rig.end(await rig.start(plan(task("other")))) == "succeeded"
