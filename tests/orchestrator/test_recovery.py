"""Crashes, cancellation, and a Redis that is not there: nothing is lost, nothing is done twice."""

import json
import signal
from pathlib import Path

import pytest
from redis.asyncio import Redis

from nexus.orchestrator import queue
from nexus.orchestrator.membership import declare_gone, join
from nexus.orchestrator.reconciler import reconcile
from tests.support.acts import claim
from tests.support.databases import ON_POSTGRESQL, ON_SQLITE
from tests.support.places import free_port
from tests.support.rig import Rig, open_rig, opened, plan, task
from tests.support.valkey import command
from tests.support.waiting import until


@ON_POSTGRESQL
async def test_a_killed_worker_loses_nothing_and_repeats_no_recorded_step(
    rig: Rig, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    options = json.dumps({"folder": str(tmp_path), "gate": str(gate)})
    project = await rig.start(
        plan(task("a", "stepper", instructions=options), task("b", "echo", "a"))
    )
    worker = rig.worker_process()
    await until((tmp_path / "at_gate").exists, timeout=20)
    worker.send_signal(signal.SIGKILL)
    worker.wait(10)
    gate.write_text("")
    rig.worker_process()
    assert await rig.end(project) == "succeeded"
    assert json.loads((await rig.outputs(project))["a"] or "") == {"first": 1, "second": 1}


async def test_cancel_reaches_running_agents_and_nothing_begins_after(
    rig: Rig, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    options = json.dumps({"folder": str(tmp_path), "gate": str(gate)})
    project = await rig.start(
        plan(task("a", "stepper", instructions=options), task("b", "echo", "a"))
    )
    async with rig.worker():
        await until((tmp_path / "at_gate").exists)
        await rig.parts.engine.run(lambda turn: rig.parts.engine.cancel(turn, "default", project))
        gate.write_text("")
    assert (await rig.row(project)).status == "cancelled"
    assert not (tmp_path / "second").exists()
    assert {row.status for row in (await rig.tasks(project)).values()} == {"cancelled"}
    assert (await rig.events(project))[-1].type == "project.cancelled"


@ON_SQLITE
async def test_a_drained_worker_gives_back_without_counting(rig: Rig, tmp_path: Path) -> None:
    options = json.dumps({"folder": str(tmp_path)})
    project = await rig.start(plan(task("a", "gate", instructions=options, max_attempts=1)))
    worker = rig.worker_process()
    await until((tmp_path / "a.begun").exists, timeout=20)
    worker.send_signal(signal.SIGTERM)

    async def released() -> bool:
        return [one.status for one in await rig.subtasks(project)] == ["queued"]

    await until(released, timeout=20)
    assert worker.wait(10) == 0
    opened(tmp_path, ["a"])
    async with rig.worker():
        assert await rig.end(project) == "succeeded"
    [subtask] = await rig.subtasks(project)
    assert subtask.attempt == 1


async def test_the_queue_may_be_emptied_at_any_moment(rig: Rig) -> None:
    project = await rig.start(plan(*(task(f"t{n}") for n in range(60))))
    client = Redis.from_url(rig.settings.redis_url or "")
    await client.flushall()
    await client.aclose()
    async with rig.worker():
        assert await rig.end(project) == "succeeded"


async def test_without_redis_workers_ask_the_database(tmp_path: Path) -> None:
    missing = f"redis://127.0.0.1:{free_port()}/0"
    async with open_rig(tmp_path, redis_url=missing) as rig:
        project = await rig.start(plan(task("a"), task("b", "echo", "a")))
        async with rig.worker():
            assert await rig.end(project) == "succeeded"


@ON_POSTGRESQL
async def test_a_poisonous_task_ends_after_its_attempts(rig: Rig) -> None:
    project = await rig.start(plan(task("a", "poison", max_attempts=2), task("b")))
    for _ in range(2):
        rig.worker_process().wait(20)
    async with rig.worker():
        assert await rig.end(project) == "failed"
    tasks = await rig.tasks(project)
    assert (tasks["a"].status, tasks["b"].status) == ("failed", "succeeded")
    assert tasks["a"].error["code"] == "worker_lost"


async def test_a_worker_takes_others_for_lost_and_never_itself(rig: Rig) -> None:
    engine = rig.parts.engine
    project = await rig.start(plan(task("one", "quick")))
    [subtask] = await rig.subtasks(project)
    await engine.run(lambda turn: join("wrk_late", 1, 60))
    await engine.run(lambda turn: claim(turn, "wrk_late", [subtask.id]))
    await engine.run(lambda turn: declare_gone(["wrk_late"]))
    await reconcile(engine, "wrk_late")
    assert [one.status for one in await rig.subtasks(project)] == ["running"]
    await reconcile(engine, "wrk_other")
    assert [one.status for one in await rig.subtasks(project)] == ["queued"]


@ON_SQLITE
async def test_what_a_killed_worker_had_read_and_not_claimed_goes_on_with_its_neighbour(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "ABANDONED_MS", 3_600_000)
    project = await rig.start(plan(task("a", "quick"), task("b", "quick")))
    reader = rig.worker_process(NEXUS_FAILPOINTS="queue.read=kill")
    await until(lambda: reader.poll() is not None, timeout=20)
    async with rig.worker():
        assert await rig.end(project) == "succeeded"


@ON_SQLITE
async def test_a_redis_that_is_full_holds_nothing_up(rig: Rig, valkey_port: int) -> None:
    """It refuses who announces, and answers who reads."""
    async with rig.worker():
        assert await rig.end(await rig.start(plan(task("a", "quick")))) == "succeeded"
        assert command(valkey_port, "CONFIG", "SET", "maxmemory", "1").startswith(b"+OK")
        try:
            assert await rig.end(await rig.start(plan(task("b", "quick")))) == "succeeded"
        finally:
            command(valkey_port, "CONFIG", "SET", "maxmemory", "0")
