"""Claims the database has under a worker that nobody there holds: what became of lost answers."""

import json
from collections import Counter
from pathlib import Path

from nexus.models.writing import Query, Transaction
from tests.support.acts import claim
from tests.support.rig import Rig, opened, plan, task
from tests.support.waiting import until


def _living() -> Transaction[list[str]]:
    return [row[0] for row in (yield Query("SELECT id FROM workers WHERE lease_until > NOW_US()"))]


async def test_a_claim_whose_answer_was_lost_costs_no_attempt(rig: Rig, tmp_path: Path) -> None:
    options = json.dumps({"folder": str(tmp_path)})
    async with rig.worker(concurrency=1):
        project = await rig.start(
            plan(*(task(k, "gate", instructions=options, max_attempts=1) for k in "ab"))
        )
        await until(lambda: list(tmp_path.glob("*.begun")))
        [waiting] = [one.id for one in await rig.subtasks(project) if one.status == "queued"]
        [worker] = await rig.parts.database.run(_living)
        # As if this commit's answer had not reached the worker.
        [lost] = await rig.parts.engine.run(lambda turn: claim(turn, worker, [waiting]))
        assert lost.attempt == 1
        opened(tmp_path, "ab")
        assert await rig.end(project) == "succeeded"

    assert [one.attempt for one in await rig.subtasks(project)] == [1, 1]
    told = Counter(event.type for event in await rig.events(project))
    assert (told["subtask.released"], told["subtask.retrying"]) == (1, 0)
