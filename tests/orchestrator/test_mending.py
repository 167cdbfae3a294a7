"""What the reconciler finds and mends, each by itself."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from redis.asyncio import Redis

from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.claiming import AGEING_US, due_subtasks
from nexus.orchestrator.membership import join
from nexus.orchestrator.queue import GROUP, QUICK_IN_A_ROW, Queue
from nexus.orchestrator.reconciler import BATCH, Overdue, _end_overdue, reconcile
from nexus.orchestrator.stalled import mend_stalled
from nexus.orchestrator.turn import Announcement
from tests.support.acts import claim
from tests.support.rig import Rig, plan, task


async def write(rig: Rig, sql: str, *values: str | int) -> Sequence[Row]:
    def act() -> Transaction[Sequence[Row]]:
        return (yield Query(sql, values))

    return await rig.parts.engine.run(lambda turn: act())


async def started(rig: Rig) -> str:
    return await rig.start(plan(task("a", "quick"), task("b", "quick", "a")))


async def states(rig: Rig, project: str) -> dict[str, str]:
    return {key: row.status for key, row in (await rig.tasks(project)).items()}


async def test_every_project_with_untold_rows_is_announced_in_one_pass(rig: Rig) -> None:
    many = plan(*(task(f"t{n}") for n in range(BATCH + 50)))
    projects = [await rig.start(many) for _ in range(3)]
    await write(rig, "UPDATE subtasks SET announced_at = NULL")
    await reconcile(rig.parts.engine, "wrk_another")
    for project in projects:
        assert any(one.announced_at for one in await rig.subtasks(project))


async def test_an_ended_subtask_whose_task_was_not_told(rig: Rig) -> None:
    project = await started(rig)
    await write(rig, "UPDATE subtasks SET status = 'succeeded', output = 'done'")
    await write(rig, "UPDATE tasks SET status = 'running' WHERE key = 'a'")
    assert await mend_stalled(rig.parts.engine, still_us=0) == 1
    assert await states(rig, project) == {"a": "succeeded", "b": "pending"}
    async with rig.worker():
        assert await rig.end(project) == "succeeded"


async def test_a_failed_subtask_whose_task_was_not_told(rig: Rig) -> None:
    project = await started(rig)
    await write(rig, "UPDATE subtasks SET status = 'cancelled'")
    await write(rig, "UPDATE tasks SET status = 'running' WHERE key = 'a'")
    assert await mend_stalled(rig.parts.engine, still_us=0) == 1
    assert await states(rig, project) == {"a": "failed", "b": "skipped"}
    row = await rig.row(project)
    assert (row.status, row.tasks_open, row.error["code"]) == ("failed", 0, "tasks_failed")


async def test_counters_that_are_wrong(rig: Rig) -> None:
    project = await started(rig)
    await write(rig, "UPDATE subtasks SET status = 'succeeded', output = 'done'")
    await write(rig, "UPDATE tasks SET status = 'succeeded' WHERE key = 'a'")
    await write(rig, "UPDATE nodes SET blocked_by = 7")
    assert await mend_stalled(rig.parts.engine, still_us=0) == 1
    async with rig.worker():
        assert await rig.end(project) == "succeeded"


async def test_a_finished_graph_whose_project_was_not_ended(rig: Rig) -> None:
    project = await started(rig)
    await write(rig, "UPDATE subtasks SET status = 'succeeded', output = 'done'")
    await write(rig, "UPDATE tasks SET status = 'succeeded'")
    assert await mend_stalled(rig.parts.engine, still_us=0) == 1
    row = await rig.row(project)
    assert (row.status, row.tasks_open, row.tasks_succeeded) == ("succeeded", 0, 2)


async def test_what_cannot_be_mended_fails_with_a_reason_and_may_be_retried(rig: Rig) -> None:
    project = await started(rig)
    await write(rig, "DELETE FROM subtasks")
    await write(rig, "UPDATE tasks SET status = 'running' WHERE key = 'a'")
    assert await mend_stalled(rig.parts.engine, still_us=0) == 1
    row = await rig.row(project)
    assert (row.status, row.error["code"]) == ("failed", "stalled")
    assert set((await states(rig, project)).values()) == {"cancelled"}
    await rig.parts.engine.run(lambda turn: rig.parts.engine.retry(turn, "default", project))
    async with rig.worker():
        assert await rig.end(project) == "succeeded"


async def test_planning_that_nobody_does(rig: Rig) -> None:
    project = await rig.create(None)
    await write(rig, "DELETE FROM subtasks")
    assert await mend_stalled(rig.parts.engine, still_us=0) == 1
    row = await rig.row(project)
    assert (row.status, row.error["code"]) == ("failed", "stalled")


async def test_what_moves_is_left_alone(rig: Rig) -> None:
    await started(rig)
    assert await mend_stalled(rig.parts.engine, still_us=0) == 0
    await write(rig, "DELETE FROM subtasks")
    assert await mend_stalled(rig.parts.engine) == 0  # it changed a moment ago


async def test_without_the_queue_work_that_waited_goes_before_quick_kinds(rig: Rig) -> None:
    waited, quick, fresh = [await rig.start(plan(task("a"))) for _ in range(3)]
    aged = "UPDATE subtasks SET run_at = run_at - $1 WHERE project_id = $2"
    await write(rig, aged, AGEING_US + 1_000_000, waited)
    await write(rig, "UPDATE subtasks SET priority = 0 WHERE project_id = $1", quick)
    ids = await rig.parts.engine.run(lambda turn: due_subtasks(10))
    order = [(await rig.subtasks(project))[0].id for project in (waited, quick, fresh)]
    assert ids == order


@pytest.fixture
def queue(rig: Rig) -> Queue:
    return rig.parts.queue


async def test_quick_kinds_do_not_starve_work(queue: Queue) -> None:
    await queue.read("one", 1, 1)
    announced = [Announcement(f"quick{n}", quick=True) for n in range(12)]
    await queue.announce([*announced, Announcement("work0", quick=False)])
    read = [(await queue.read("one", 1, 1))[0].subtask_id for _ in range(13)]
    assert read[QUICK_IN_A_ROW] == "work0"
    assert [one for one in read if one != "work0"] == [f"quick{n}" for n in range(12)]


async def test_the_search_for_abandoned_entries_goes_on_where_it_ended(
    rig: Rig, queue: Queue
) -> None:
    await queue.read("dead", 1, 1)
    await queue.announce([Announcement(f"work{n}", quick=False) for n in range(3)])
    entries = await queue.read("dead", 3, 1)
    client = Redis.from_url(rig.settings.redis_url or "")
    ids: list[Any] = [one.entry for one in entries]
    await client.xclaim(entries[0].stream, GROUP, "dead", 0, ids, idle=60_000)
    taken = [await queue.take_abandoned("alive", 1) for _ in range(3)]
    assert [one.subtask_id for part in taken for one in part] == ["work0", "work1", "work2"]
    await queue.forget_consumers({"alive"})
    found = await client.xinfo_consumers(entries[0].stream, GROUP)
    assert [one["name"] for one in found] == [b"alive"]
    await client.aclose()


async def test_what_an_ended_worker_had_read_is_put_back_for_anybody(queue: Queue) -> None:
    await queue.read("dead", 1, 1)
    await queue.announce(
        [*(Announcement(f"work{n}", quick=False) for n in range(3)), Announcement("q", quick=True)]
    )
    assert len(await queue.read("dead", 4, 1)) == 4
    assert await queue.inherit("dead", "heir") == 4
    assert await queue.inherit("dead", "heir") == 0
    assert await queue.backlog() == 4
    read = await queue.read("alive", 4, 1)
    assert [one.subtask_id for one in read] == ["q", "work0", "work1", "work2"]


async def test_what_runs_past_its_time_is_left_to_its_worker_until_others_may_be_judged(
    rig: Rig,
) -> None:
    engine = rig.parts.engine
    project = await rig.start(plan(task("a", "quick", timeout_seconds=1)))
    [subtask] = await rig.subtasks(project)
    await engine.run(lambda turn: join("wrk_one", 1, 60))
    await engine.run(lambda turn: claim(turn, "wrk_one", [subtask.id]))
    await write(rig, "UPDATE subtasks SET deadline_at = NOW_US() - 60000000")
    await reconcile(engine, "wrk_two", judging=False)
    assert [one.status for one in await rig.subtasks(project)] == ["running"]
    await reconcile(engine, "wrk_two")
    [failed] = await rig.subtasks(project)
    assert (failed.status, failed.error["code"]) == ("failed", "timeout")


async def test_what_was_deleted_while_it_was_looked_at_is_passed_over(rig: Rig) -> None:
    gone = Overdue("sub_gone", 1.0, None)
    await rig.parts.engine.run(partial(_end_overdue, overdue=gone))
