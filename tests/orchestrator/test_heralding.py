"""When those who watch a project are woken by the worker that carries it out."""

from collections.abc import Collection

import pytest

from nexus.orchestrator import desk as desks
from nexus.orchestrator.desk import Desk
from nexus.orchestrator.hand import Hand
from nexus.orchestrator.membership import join
from nexus.orchestrator.outcomes import Outcome
from tests.support.rig import Rig, plan, task
from tests.support.waiting import until

WORKER = "wrk_of_this_test"


async def test_who_watches_a_busy_worker_hears_of_the_end_at_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "RING_SECONDS", 3_600.0)
    engine = rig.parts.engine
    project = await rig.start(plan(task("one", "quick"), task("two", "quick")))
    rung: list[Collection[str]] = []

    async def ring(project_ids: Collection[str]) -> None:
        rung.append(project_ids)

    monkeypatch.setattr(engine, "ring", ring)
    await engine.run(lambda turn: join(WORKER, 1, 60.0))
    async with Desk(engine, Hand(WORKER), lambda: None, lambda claimed: None) as desk:
        claims = []
        for row in await rig.subtasks(project):
            claims += await desk.claim([row.id])
            await until(lambda: bool(rung))
        for one in claims:
            await desk.settle(one.held, Outcome(output="done"), 0)
        await until(lambda: len(rung) > 1)
    assert rung == [{project}, {project}]  # the first claim and the end; nothing in between
    assert (await rig.row(project)).status == "succeeded"
