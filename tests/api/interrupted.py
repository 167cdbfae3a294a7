"""A project of which an unsafe call was interrupted, and is asked about."""

from typing import Any

from fastapi import FastAPI

from nexus.domain.seam import Call, CallKind, Effect
from nexus.domain.text import dumps
from nexus.orchestrator.asking import ask
from nexus.orchestrator.batch import write_batch
from nexus.orchestrator.claiming import Claimed, due_subtasks, release_all
from nexus.orchestrator.material import Recall
from nexus.orchestrator.membership import join
from nexus.orchestrator.recording import Begin, Intent
from nexus.orchestrator.value_files import Kept
from nexus.wiring import Parts
from tests.api.client import Client, plan_of
from tests.support.acts import claim

WORKER = "wrk_of_this_test"
LETTER = {"to": "Ada", "text": "Dear Ada, " + "x" * 3_000}


async def interrupt(app: FastAPI, client: Client) -> dict[str, Any]:
    """Make one; return its approval as the API shows it."""
    made = await client.project(plan=plan_of("page"), auto_execute=True)
    parts: Parts = app.state.parts
    engine = parts.engine
    await engine.run(lambda turn: join(WORKER, 1, 60.0))
    held = (await _take(parts)).held
    call = Call(CallKind.TOOL, "send_letter", "call_1", "0" * 64, Effect.UNSAFE)
    begun = Begin(held, Intent(call, 0, 0, 0, Kept(dumps(LETTER))))
    await engine.run(lambda turn: write_batch(turn, WORKER, [begun], None, Recall()))
    await engine.run(lambda turn: release_all(turn, WORKER, "a test"))
    again = (await _take(parts)).held
    assert await engine.run(lambda turn: ask(turn, again))
    answer = await client.http.get(f"/approvals?status=pending&project_id={made['id']}")
    (found,) = answer.json()["items"]
    shown: dict[str, Any] = found
    return shown


async def _take(parts: Parts) -> Claimed:
    ids = await parts.engine.run(lambda turn: due_subtasks(1))
    (claimed,) = await parts.engine.run(lambda turn: claim(turn, WORKER, ids))
    return claimed
