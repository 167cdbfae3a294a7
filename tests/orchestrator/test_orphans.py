"""Claims the database has under a worker that nobody there holds: answers that are lost, or late."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from nexus.models.writing import Query, Transaction
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.hand import Hand
from tests.support.acts import claim
from tests.support.databases import ON_POSTGRESQL
from tests.support.rig import Rig, opened, plan, task
from tests.support.waiting import until


def _living() -> Transaction[list[str]]:
    return [row[0] for row in (yield Query("SELECT id FROM workers WHERE lease_until > NOW_US()"))]


@ON_POSTGRESQL
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


def _hold_up_answers(patch: pytest.MonkeyPatch, meanwhile: Callable[[], Awaitable[object]]) -> None:
    """Let something happen between the first commit that claims a tracer and its answer."""
    commit, held_up = WorkflowEngine.commit, list[str]()

    async def late(engine: WorkflowEngine, act: Any, *points: str) -> Any:
        answers, turn = await commit(engine, act, *points)
        if {"claim", "settle"} & set(points) and not held_up:
            claims = [one for answer in answers if isinstance(answer, list) for one in answer]
            held_up.extend(one.agent for one in claims if one.agent == "tracer")
            if held_up:
                await meanwhile()
        return answers, turn

    patch.setattr(WorkflowEngine, "commit", late)


@ON_POSTGRESQL
@pytest.mark.parametrize("how", ["claimed", "taken over"])
async def test_a_claim_beside_an_agent_that_blocks_is_run_once(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    options = json.dumps({"folder": str(tmp_path), "seconds": 5.0})

    async def block() -> None:
        opened(tmp_path, ["blocks"])
        await until((tmp_path / "blocks.blocks").exists)

    blocking = await rig.start(plan(task("blocks", "blocker", instructions=options)))
    async with rig.worker(lease_seconds=15.0):
        await until((tmp_path / "blocks.begun").exists, timeout=30)
        _hold_up_answers(monkeypatch, block)
        before = [task("first", "quick")] if how == "taken over" else []
        traced = task("one", "tracer", *(one["key"] for one in before), instructions=options)
        project = await rig.start(plan(*before, traced))
        assert await rig.end(project) == "succeeded"
        assert await rig.end(blocking) == "succeeded"

    assert (tmp_path / "trace").read_text() == "one\n"
    assert "subtask.released" not in [one.type for one in await rig.events(project)]


@ON_POSTGRESQL
async def test_a_claim_that_was_given_back_does_not_start_when_its_answer_comes(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = ""

    async def is_given_back() -> bool:
        return "subtask.released" in [one.type for one in await rig.events(project)]

    _hold_up_answers(monkeypatch, lambda: until(is_given_back))
    options = json.dumps({"folder": str(tmp_path)})
    async with rig.worker():
        project = await rig.start(plan(task("one", "tracer", instructions=options)))
        assert await rig.end(project) == "succeeded"

    assert (tmp_path / "trace").read_text() == "one\n"
    (subtask,) = await rig.subtasks(project)
    assert (subtask.attempt, subtask.claim) == (1, 3)


def test_a_hand_holds_a_claim_or_has_refused_it() -> None:
    hand = Hand("wrk_test")
    assert hand.take("sub_a", 1)
    assert not hand.refuse("sub_a", 1)  # it came in time
    assert hand.refuse("sub_b", 3)
    assert not hand.take("sub_b", 3)  # it came late
    assert not hand.take("sub_b", 1)
    assert hand.take("sub_b", 5)
    assert hand.held == {"sub_a": 1, "sub_b": 5}
