"""Work that is split: its parts run at once without it, it goes on with what they came to."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from nexus.models.writing import Query, Transaction
from nexus.orchestrator.deciding import Decision
from nexus.orchestrator.delegating import mend_parts
from tests.support.rig import Rig, opened, plan, task
from tests.support.waiting import until

WORKSPACE = "default"
PENDING = "SELECT id, subtask_id FROM approvals WHERE status = 'pending'"


def splitting(*calls: list[Any], strict: bool = False, **fields: Any) -> dict[str, Any]:
    options = {"calls": calls, "strict": strict}
    return task("split", "splitter", instructions=json.dumps(options), **fields)


def gated(folder: Path, *titles: str) -> list[dict[str, str]]:
    """Parts that end when they are let through."""
    told = json.dumps({"folder": str(folder)})
    return [{"agent": "gated", "title": title, "instructions": told} for title in titles]


async def results(rig: Rig, project: str) -> Any:
    output = (await rig.outputs(project))["split"]
    return json.loads(output or "null")


async def parts_of(rig: Rig, project: str) -> list[Any]:
    return [one for one in await rig.subtasks(project) if one.kind == "delegated"]


async def told(rig: Rig, project: str, kind: str) -> int:
    return sum(event.type == kind for event in await rig.events(project))


async def test_parts_run_at_once_while_their_parent_holds_no_slot(rig: Rig) -> None:
    project = await rig.start(plan(splitting(gated(rig.folder, "a", "b", "c"))))
    async with rig.worker(concurrency=3):
        for one in "abc":
            await until((rig.folder / f"{one}.begun").exists)
        task_row = (await rig.tasks(project))["split"]
        (parent,) = [one for one in await rig.subtasks(project) if one.kind == "work"]
        assert (task_row.status, parent.status, parent.owner) == ("waiting", "waiting", None)
        assert (await rig.row(project)).status == "running"
        opened(rig.folder, "abc")
        assert await rig.end(project) == "succeeded"

    (first,) = await results(rig, project)
    assert first == [
        {"title": one, "agent": "gated", "status": "succeeded", "output": f"{one} went through"}
        for one in "abc"
    ]
    assert (await rig.tasks(project))["split"].subtask_id == parent.id
    (parent,) = [one for one in await rig.subtasks(project) if one.kind == "work"]
    assert (parent.attempt, parent.claim) == (1, 3)
    assert await told(rig, project, "subtask.delegated") == 1
    assert await told(rig, project, "task.started") == 2


async def test_a_part_knows_its_task_and_what_feeds_it(rig: Rig) -> None:
    parts = ["say it", {"agent": "echo", "instructions": "and this"}]
    fed = splitting([{"agent": "echo", "instructions": "say"}, parts[1]], depends_on=["one"])
    project = await rig.start(plan(task("one", "quick"), fed))
    async with rig.worker():
        assert await rig.end(project) == "succeeded"

    ((first, second),) = await results(rig, project)
    assert json.loads(first["output"]) == {
        "task": "split",
        "instructions": "say",
        "inputs": {"one": "done"},
    }
    assert (first["title"], second["title"]) == ("Part 1", "Part 2")


async def test_a_part_that_fails_is_read_and_fails_nothing(rig: Rig) -> None:
    parts = [{"agent": "broken", "instructions": "x"}, {"agent": "quick", "instructions": "x"}]
    project = await rig.start(plan(splitting(parts, parts[1:])))
    async with rig.worker():
        assert await rig.end(project) == "succeeded"

    (first, second), (third,) = await results(rig, project)
    assert first["error"] == {
        "code": "permanent_failure",
        "message": "this cannot work",
        "hint": "do not try",
    }
    assert (first["status"], second["output"], third["output"]) == ("failed", "done", "done")
    assert await told(rig, project, "task.failed") == 0


async def test_what_cannot_be_delegated_begins_nothing(rig: Rig) -> None:
    quick = {"agent": "quick", "instructions": "x"}
    wrong: dict[str, list[Any]] = {
        "no agent named 'nobody'": [quick, {"agent": "nobody", "instructions": "x"}],
        "no agent named 'manager'": [{"agent": "manager", "instructions": "x"}],
        "at least one part": [],
        "at most 50 parts": [quick] * 51,
        "parts[1].instructions: has to be": [quick, {"agent": "quick", "instructions": " "}],
        "parts[0].priority: there is no such": [{**quick, "priority": "1"}],
        "only the work of a task is split": [
            {
                "agent": "splitter",
                "instructions": json.dumps({"calls": [[quick]]}),
            }
        ],
    }
    tasks = [
        task(f"t{at}", "splitter", instructions=json.dumps({"calls": [parts]}))
        for at, parts in enumerate(wrong.values())
    ]
    project = await rig.start(plan(*tasks))
    async with rig.worker():
        await rig.end(project)

    found = await rig.tasks(project)
    outputs = await rig.outputs(project)
    for at, reason in enumerate(wrong):
        row = found[f"t{at}"]
        error = row.error or json.loads(outputs[f"t{at}"] or "")[0][0]["error"]
        assert reason in error["message"]
    assert [one.agent for one in await parts_of(rig, project)] == ["splitter"]


async def test_cancel_ends_the_parts_and_retry_delegates_anew(rig: Rig) -> None:
    engine = rig.parts.engine
    project = await rig.start(plan(splitting(gated(rig.folder, "a", "b"))))
    async with rig.worker():
        await until((rig.folder / "b.begun").exists)
        opened(rig.folder, "a")

        async def is_one_over() -> bool:
            return any(one.status == "succeeded" for one in await parts_of(rig, project))

        await until(is_one_over)
        await engine.run(lambda turn: engine.cancel(turn, WORKSPACE, project))
        states = sorted(one.status for one in await parts_of(rig, project))
        assert states == ["cancelled", "succeeded"]
        opened(rig.folder, "b")
        await engine.run(lambda turn: engine.retry(turn, WORKSPACE, project))
        assert await rig.end(project) == "succeeded"

    assert len(await parts_of(rig, project)) == 4
    assert [one["output"] for one in (await results(rig, project))[0]] == [
        "a went through",
        "b went through",
    ]


async def test_a_retry_keeps_what_ended_well_and_delegates_the_rest_anew(rig: Rig) -> None:
    engine = rig.parts.engine
    well = [{"agent": "quick", "instructions": "x"}]
    ill = [{"agent": "broken", "instructions": "x"}]
    project = await rig.start(plan(splitting(well, ill, strict=True)))
    async with rig.worker():
        assert await rig.end(project) == "failed"
        assert [one.agent for one in await parts_of(rig, project)] == ["quick", "broken"]
        await engine.run(lambda turn: engine.retry(turn, WORKSPACE, project))
        assert await rig.end(project) == "failed"

    assert [one.agent for one in await parts_of(rig, project)] == ["quick", "broken", "broken"]


async def test_what_a_part_is_told_is_not_trusted(rig: Rig) -> None:
    """An agent wrote it, who may have read what strangers wrote: so may what a part found be."""
    engine = rig.parts.engine
    unsafe = {"agent": "reckless", "instructions": "x"}
    project = await rig.start(
        plan(
            splitting([unsafe]),
            task("after", "splitter", instructions=json.dumps({"calls": [["x"]], "then": "post"})),
            task("alone", "reckless"),
        )
    )
    async with rig.worker():

        async def is_asked() -> bool:
            return len(await rig.parts.database.run(partial(_rows, PENDING))) == 2

        await until(is_asked)
        rows = await rig.parts.database.run(partial(_rows, PENDING))
        kinds = {one.id: (one.kind, one.agent) for one in await rig.subtasks(project)}
        asked = sorted(kinds[row[1]] for row in rows)
        assert asked == [("delegated", "reckless"), ("work", "splitter")]
        for row in rows:
            decision = Decision(approve=True, decided_by="key")
            await engine.run(
                partial(engine.decide, workspace=WORKSPACE, approval_id=row[0], decision=decision)
            )
        assert await rig.end(project) == "succeeded"


async def test_a_large_output_is_read_whole(rig: Rig) -> None:
    project = await rig.start(plan(splitting([{"agent": "long", "instructions": "200000"}] * 2)))
    async with rig.worker():
        assert await rig.end(project) == "succeeded"

    ((first, second),) = await results(rig, project)
    assert [len(one["output"]) for one in (first, second)] == [200_000, 200_000]


async def test_a_part_that_waits_for_a_person_keeps_its_parent_waiting(rig: Rig) -> None:
    engine = rig.parts.engine
    asks = {"agent": "asks", "instructions": "Which year?"}
    project = await rig.start(plan(splitting([asks, {"agent": "quick", "instructions": "x"}])))
    async with rig.worker():

        async def rests() -> bool:
            return (await rig.row(project)).status == "waiting"

        await until(rests)
        waiting = [one.kind for one in await rig.subtasks(project) if one.status == "waiting"]
        assert sorted(waiting) == ["delegated", "work"]
        assert (await rig.tasks(project))["split"].status == "waiting"
        rows = await rig.parts.database.run(lambda: _rows("SELECT id FROM approvals"))
        decision = Decision(approve=True, decided_by="key", comment="1914")
        await engine.run(lambda turn: engine.decide(turn, WORKSPACE, rows[0][0], decision))
        assert await rig.end(project) == "succeeded"

    ((first, _),) = await results(rig, project)
    assert first["output"] == "1914"


async def test_a_paused_project_begins_no_part_and_goes_on(rig: Rig) -> None:
    engine = rig.parts.engine
    project = await rig.start(plan(splitting(gated(rig.folder, "a", "b"))))
    async with rig.worker(concurrency=1):
        await until(lambda: list(rig.folder.glob("*.begun")))
        await engine.run(lambda turn: engine.pause(turn, WORKSPACE, project))
        opened(rig.folder, "ab")

        async def is_first_over() -> bool:
            return any(one.status == "succeeded" for one in await parts_of(rig, project))

        await until(is_first_over)
        assert len(list(rig.folder.glob("*.begun"))) == 1
        await engine.run(lambda turn: engine.resume(turn, WORKSPACE, project))
        assert await rig.end(project) == "succeeded"


async def test_the_time_limit_of_the_task_covers_its_parts(rig: Rig) -> None:
    project = await rig.start(plan(splitting(gated(rig.folder, "a"), timeout_seconds=1.0)))
    async with rig.worker():
        assert await rig.end(project) == "failed"

    assert (await rig.tasks(project))["split"].error["code"] == "timeout"
    assert [one.status for one in await parts_of(rig, project)] == ["failed"]


async def test_parents_and_parts_that_lost_each_other_are_mended(rig: Rig) -> None:
    engine, database = rig.parts.engine, rig.parts.database
    projects = [await rig.start(plan(splitting(gated(rig.folder, f"{n}")))) for n in "ab"]
    over = "UPDATE subtasks SET status = 'failed', owner = NULL WHERE project_id = $1 AND kind = $2"
    async with rig.worker():
        for one in "ab":
            await until((rig.folder / f"{one}.begun").exists)
    for project, kind in zip(projects, ("delegated", "work"), strict=True):
        await database.run(partial(_rows, over, (project, kind)))

    assert await mend_parts(engine) == 2
    assert await mend_parts(engine) == 0

    first, second = [
        {one.kind: one.status for one in await rig.subtasks(project)} for project in projects
    ]
    assert first == {"work": "queued", "delegated": "failed"}
    assert second == {"work": "failed", "delegated": "cancelled"}


def _rows(sql: str, values: tuple[Any, ...] = ()) -> Transaction[list[Any]]:
    return (yield Query(sql, values))
