"""Budgets at work: a worker, a model with a price, and a person who raises them."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nexus.domain.budget import Budget, Limit
from nexus.errors import Conflict
from nexus.models.projects import Project
from nexus.orchestrator.budgeting import look_after, neglected
from nexus.services.caller import Caller
from nexus.services.deliverable import get_deliverable
from nexus.services.reads import reading
from nexus.services.scene import read_setting
from tests.scripted_model import Reply, ScriptedModel, ToolCalls
from tests.support.rig import WORKSPACE, Rig, open_rig, plan, task
from tests.support.waiting import until

PRICE_PICO = 4_200_000_000
"""What a call of the scripted model, 100 tokens and 20 back, costs at the prices of gpt-4."""
CENT = 10**10


ANYONE = Caller("key_1", WORKSPACE, frozenset(), None)


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel() as scripted:
        yield scripted


@pytest.fixture
async def priced(
    tmp_path: Path, database_url: str, redis_url: str, model: ScriptedModel
) -> AsyncIterator[Rig]:
    async with open_rig(
        tmp_path,
        database_url=database_url,
        redis_url=redis_url,
        chroma_url="http://127.0.0.1:1",
        model="openai:gpt-4",
        openai_base_url=model.base_url,
    ) as opened:
        yield opened


def _work(count: int) -> list[dict[str, Any]]:
    return [task(f"t{number}", "content") for number in range(count)]


async def _rests(rig: Rig, project: str) -> Project:
    await _becomes(rig, project, "waiting")
    return await rig.row(project)


async def _becomes(rig: Rig, project: str, status: str) -> None:
    async def is_so() -> bool:
        return (await rig.row(project)).status == status

    await until(is_so, timeout=30)


async def _told(rig: Rig, project: str, kind: str) -> list[dict[str, Any]]:
    return [one.data for one in await rig.events(project) if one.type == kind]


async def _raise(rig: Rig, project: str, budget: Budget | None) -> None:
    engine = rig.parts.engine
    await engine.run(lambda turn: engine.set_budget(turn, WORKSPACE, project, budget))


async def _resume(rig: Rig, project: str) -> None:
    engine = rig.parts.engine
    await engine.run(lambda turn: engine.resume(turn, WORKSPACE, project))


async def test_work_stops_at_the_sum_and_goes_on_when_it_is_raised(
    priced: Rig, model: ScriptedModel
) -> None:
    budget = Budget({Limit.COST: CENT})
    project = await priced.create(plan(*_work(8)), auto_execute=True, budget=budget)
    async with priced.worker():
        row = await _rests(priced, project)

        assert row.cost_pico_usd == model.calls * PRICE_PICO == 3 * PRICE_PICO
        assert [one["limit"] for one in await _told(priced, project, "budget.warning")] == [
            "max_cost_usd"
        ]
        assert await _told(priced, project, "budget.exhausted") == [
            {"limit": "max_cost_usd", "spent": "0.0126", "allowed": "0.01"}
        ]
        waiting = [one for one in await priced.subtasks(project) if one.status == "waiting"]
        assert len(waiting) == 5
        assert {(one.owner, one.attempt) for one in waiting} == {(None, 1)}
        partial = await get_deliverable(
            priced.parts.database, priced.settings.data, ANYONE, project
        )
        assert (len(partial.parts), len(partial.missing)) == (3, 5)
        async with reading(priced.parts.database) as session:
            seen = await read_setting(priced.parts.database, session, ANYONE, project)
        assert seen.scene.budget == "$0.0126 of max_cost_usd $0.01"
        with pytest.raises(Conflict, match=r"max_cost_usd is \$0.01"):
            await _resume(priced, project)

        await _raise(priced, project, Budget({Limit.COST: 100 * CENT}))
        await _resume(priced, project)

        assert await priced.end(project) == "succeeded"
    assert model.calls == 8
    async with priced.parts.database.read() as session:
        kept = await session.connection()
        rows = await kept.exec_driver_sql("SELECT count(*) FROM reservations")
        assert rows.scalar_one() == 0


async def test_what_waited_goes_on_without_a_budget_once_its_project_runs_again(
    priced: Rig,
) -> None:
    budget = Budget({Limit.CALLS: 1})
    project = await priced.create(plan(*_work(3)), auto_execute=True, budget=budget)
    async with priced.worker():
        await _rests(priced, project)
    await _raise(priced, project, None)
    engine = priced.parts.engine
    await engine.run(lambda turn: engine.replan(turn, WORKSPACE, project, "go on"))
    assert (await priced.row(project)).status == "running"
    assert await engine.run(lambda turn: neglected()) == [project]

    await engine.run(lambda turn: look_after(turn, project))

    assert {one.status for one in await priced.subtasks(project)} == {"succeeded", "queued"}


async def test_tokens_and_calls_are_limits_too(priced: Rig, model: ScriptedModel) -> None:
    for budget, calls in ((Budget({Limit.TOKENS: 300}), 3), (Budget({Limit.CALLS: 2}), 2)):
        before = model.calls
        project = await priced.create(plan(*_work(5)), auto_execute=True, budget=budget)
        async with priced.worker():
            await _rests(priced, project)
        assert model.calls - before == calls


async def test_an_unknown_price_is_said_to_be_unknown_and_tokens_hold(
    priced: Rig, model: ScriptedModel
) -> None:
    budget = Budget({Limit.COST: 1, Limit.CALLS: 3})
    project = await priced.create(
        plan(*_work(5)), auto_execute=True, budget=budget, model="openai:homemade"
    )
    async with priced.worker():
        row = await _rests(priced, project)

    assert model.calls == 3
    assert (row.cost_pico_usd, row.unpriced_requests) == (0, 3)
    assert await _told(priced, project, "budget.unpriced") == [
        {"limit": "max_cost_usd", "model": "openai:homemade"}
    ]
    assert [one["limit"] for one in await _told(priced, project, "budget.exhausted")] == [
        "max_calls"
    ]


async def test_a_plan_that_finds_no_budget_fails_and_says_how_to_go_on(
    priced: Rig, model: ScriptedModel
) -> None:
    model.script = lambda request: "An essay, and no plan."
    project = await priced.create(None, budget=Budget({Limit.CALLS: 1}))
    async with priced.worker():
        assert await priced.end(project) == "failed"

    error = (await priced.row(project)).error
    assert model.calls == 1
    assert error["code"] == "budget_exhausted"
    assert "max_calls is 1 calls" in error["message"]


@pytest.mark.parametrize("calls", [1, 2])
async def test_a_plan_that_finds_no_budget_to_be_written_anew_stays_as_it_was(
    priced: Rig, model: ScriptedModel, calls: int
) -> None:
    model.script = _plan_once
    project = await priced.create(None, budget=Budget({Limit.CALLS: calls}))
    async with priced.worker():
        await _becomes(priced, project, "planned")
        await _replan(priced, project)
        await _becomes(priced, project, "planned")

        row = await priced.row(project)
        assert (row.plan_version, model.calls) == (1, calls)
        assert row.error["code"] == "budget_exhausted"
        assert f"max_calls is {calls} calls" in row.error["message"]
        assert row.error["hint"].endswith("then POST /projects/{id}/replan")
        assert (await priced.events(project))[-1].data["error"] == row.error

        model.script = _plan
        await _raise(priced, project, None)
        await _replan(priced, project)
        await _becomes(priced, project, "planned")
    row = await priced.row(project)
    assert (row.plan_version, row.error) == (2, None)


def _plan(request: dict[str, Any]) -> Reply:
    written = {"phases": [{"key": "p", "title": "P", "tasks": _work(2)}], "reason": "Better."}
    return ToolCalls((("submit_plan", written),))


def _plan_once(request: dict[str, Any]) -> Reply:
    """Plan, and find no words for another plan."""
    amends = "its rest is to be written anew" in request["messages"][0]["content"]
    return "An essay, and no plan." if amends else _plan(request)


async def _replan(rig: Rig, project: str) -> None:
    engine = rig.parts.engine
    await engine.run(lambda turn: engine.replan(turn, WORKSPACE, project, None))


async def test_time_is_a_limit_of_everything_that_begins(priced: Rig) -> None:
    budget = Budget({Limit.SECONDS: 1})
    project = await priced.create(plan(task("a"), task("b")), auto_execute=True, budget=budget)
    async with priced.worker():
        row = await _rests(priced, project)
        ran_us = row.ran_us
        await _raise(priced, project, None)
        await _resume(priced, project)
        assert await priced.end(project) == "succeeded"
    assert 0 < ran_us < (await priced.row(project)).ran_us
    assert Counter(one.type for one in await priced.events(project))["budget.exhausted"] == 1


async def test_calls_side_by_side_wait_for_each_other_not_for_a_person(
    priced: Rig, model: ScriptedModel
) -> None:
    budget = Budget({Limit.TOKENS: 1_300})  # room for one call's estimate at a time
    project = await priced.create(plan(*_work(6)), auto_execute=True, budget=budget)
    async with priced.worker():
        assert await priced.end(project) == "succeeded"

    assert (model.calls, model.max_open) == (6, 1)
    assert await _told(priced, project, "budget.exhausted") == []
    reasons = {json.dumps(one) for one in await _told(priced, project, "subtask.waiting")}
    assert reasons <= {'{"reason": "budget max_tokens"}'}
