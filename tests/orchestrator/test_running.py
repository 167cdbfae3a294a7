"""Projects run to their end: order, parallelism, failure, retry, time limits."""

import json
from pathlib import Path

from tests.support.rig import Rig, opened, plan, task
from tests.support.waiting import until


async def test_a_chain_runs_in_order_and_passes_outputs_on(rig: Rig) -> None:
    project = await rig.start(plan(task("a"), task("b", "echo", "a"), task("c", "echo", "b")))
    async with rig.worker():
        assert await rig.end(project) == "succeeded"
    outputs = await rig.outputs(project)
    assert set(json.loads(outputs["c"] or "")["inputs"]) == {"b"}
    tasks = await rig.tasks(project)
    times = [time for key in "abc" for time in (tasks[key].started_at, tasks[key].finished_at)]
    assert times == sorted(time or 0 for time in times)


async def test_independent_tasks_run_side_by_side(rig: Rig, tmp_path: Path) -> None:
    keys = [f"t{n}" for n in range(10)]
    options = json.dumps({"folder": str(tmp_path)})
    project = await rig.start(plan(*(task(k, "gate", instructions=options) for k in keys)))
    async with rig.worker():
        await until(lambda: all((tmp_path / f"{k}.begun").exists() for k in keys))
        opened(tmp_path, keys)
        assert await rig.end(project) == "succeeded"


async def test_a_failure_skips_what_depends_on_it_and_nothing_else(rig: Rig) -> None:
    project = await rig.start(
        plan(task("bad", "broken"), task("x", "echo", "bad"), task("y", "echo", "x"), task("free"))
    )
    async with rig.worker():
        assert await rig.end(project) == "failed"
    states = {key: row.status for key, row in (await rig.tasks(project)).items()}
    assert states == {"bad": "failed", "x": "skipped", "y": "skipped", "free": "succeeded"}
    row = await rig.row(project)
    assert "bad" in row.error["message"]


async def test_a_failing_attempt_is_tried_again(rig: Rig) -> None:
    project = await rig.start(plan(task("a", "flaky", instructions="2")))
    async with rig.worker():
        assert await rig.end(project) == "succeeded"
    assert (await rig.outputs(project))["a"] == "done at attempt 2"


async def test_attempts_end(rig: Rig) -> None:
    project = await rig.start(plan(task("a", "flaky", instructions="9", max_attempts=2)))
    async with rig.worker():
        assert await rig.end(project) == "failed"
    [subtask] = await rig.subtasks(project)
    assert (subtask.attempt, subtask.error["code"]) == (2, "agent_error")


async def test_a_task_that_outlives_its_time_ends(rig: Rig, tmp_path: Path) -> None:
    options = json.dumps({"folder": str(tmp_path)})
    project = await rig.start(plan(task("a", "gate", instructions=options, timeout_seconds=0.3)))
    async with rig.worker():
        assert await rig.end(project, within=10) == "failed"
    assert (await rig.tasks(project))["a"].error["code"] == "timeout"


async def test_events_have_no_gap_and_end_with_the_project(rig: Rig) -> None:
    project = await rig.start(plan(task("a"), task("b", "echo", "a")))
    async with rig.worker():
        await rig.end(project)
    events = await rig.events(project)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [e.type for e in events][:3] == ["project.created", "project.planned", "project.started"]
    assert events[-1].type == "project.succeeded"


async def test_no_text_can_make_a_settlement_fail(rig: Rig) -> None:
    project = await rig.start(plan(task("a", "odd")))
    async with rig.worker():
        assert await rig.end(project) == "succeeded"


async def test_retry_keeps_what_is_finished(rig: Rig, tmp_path: Path) -> None:
    options = json.dumps({"folder": str(tmp_path), "fail_until": 2})
    project = await rig.start(
        plan(
            task("good"),
            task("bad", "stepper", instructions=options, max_attempts=1),
            task("last", "echo", "bad", "good"),
        )
    )
    async with rig.worker():
        assert await rig.end(project) == "failed"
        done = (await rig.tasks(project))["good"].finished_at
        (tmp_path / "first").write_text("41")
        await rig.parts.engine.run(lambda turn: rig.parts.engine.retry(turn, "default", project))
        assert await rig.end(project) == "failed"  # the attempt counts from one again
        assert (tmp_path / "first").read_text() == "41"  # the recorded step was not run again
    assert (await rig.tasks(project))["good"].finished_at == done
