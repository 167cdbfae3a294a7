"""What a person has to allow before it happens: calls, an agent's questions, plans."""

from typing import Any

import pytest
from sqlalchemy import select

from nexus.domain.budget import Budget, Limit
from nexus.domain.consent import Policy
from nexus.models.projects import Approval
from nexus.orchestrator.deciding import Decision
from tests.scripted_model import Reply, ScriptedModel, ToolCalls
from tests.support.databases import ON_POSTGRESQL
from tests.support.rig import WORKSPACE, Rig, plan, task
from tests.support.waiting import until


def ask_then_tell(request: dict[str, Any]) -> Reply:
    """Ask two things, one after the other, then tell what was answered."""
    answers = [one["content"] for one in request["messages"] if one["role"] == "tool"]
    if len(answers) < 2:
        question = ("Which colour?", "Which size?")[len(answers)]
        return ToolCalls((("ask_person", {"question": question}),))
    return f"It is {answers[0]}; {answers[1]}"


def plan_anew(request: dict[str, Any]) -> Reply:
    """Write a plan of two tasks, as often as one is asked for."""
    phase = {"key": "only", "title": "Only", "tasks": [task("one"), task("two")]}
    return ToolCalls((("submit_plan", {"phases": [phase], "reason": "Two of them."}),))


@pytest.fixture
async def model(server: ScriptedModel) -> ScriptedModel:
    server.script = ask_then_tell
    return server


@pytest.fixture
async def rig(scripted: Rig, model: ScriptedModel) -> Rig:
    return scripted


async def test_an_agents_questions_are_answered_by_a_person(rig: Rig, model: ScriptedModel) -> None:
    project = await rig.start(plan(task("choose", "content")))
    async with rig.worker():
        first = await _pending(rig, project)
        assert (first.kind, first.question) == ("question", "Which colour?")
        assert (await rig.row(project)).status == "waiting"
        await _decide(rig, first, Decision(True, "key_1", None, gives_value=True, value="red"))
        second = await _pending(rig, project)
        await _decide(rig, second, Decision(False, "key_1", "no idea"))
        assert await rig.end(project) == "succeeded"

    (output,) = (await rig.outputs(project)).values()
    assert output is not None
    assert output.startswith("It is red; ")
    assert "does not answer: no idea" in output
    assert model.calls == 3
    assert [one.attempt for one in await rig.subtasks(project)] == [1]


@ON_POSTGRESQL
async def test_a_worker_that_dies_while_a_person_thinks_asks_nothing_twice(
    rig: Rig, model: ScriptedModel
) -> None:
    project = await rig.start(plan(task("choose", "content")))
    process = rig.worker_process()
    first = await _pending(rig, project)
    process.kill()
    process.wait(10)
    await _decide(rig, first, Decision(True, "key_1", "blue"))
    rig.worker_process()  # with the same tools as the first: they are part of what a model is told
    second = await _pending(rig, project)
    assert second.question == "Which size?"
    await _decide(rig, second, Decision(True, "key_1", "large"))
    assert await rig.end(project) == "succeeded"

    assert list((await rig.outputs(project)).values()) == ["It is blue; large"]
    assert model.calls == 3


async def test_a_plan_waits_for_its_approval_where_everything_does(rig: Rig) -> None:
    project = await rig.create(plan(task("one")), auto_execute=True, approvals=Policy.ALL)
    asked = await _pending(rig, project)
    assert asked.kind == "plan"
    assert (await rig.row(project)).status == "planned"

    await _decide(rig, asked, Decision(True, "key_1"))

    async with rig.worker():
        assert await rig.end(project) == "succeeded"


async def test_a_rejected_plan_is_planned_anew(rig: Rig) -> None:
    project = await rig.create(plan(task("one")), auto_execute=True, approvals=Policy.ALL)

    await _decide(rig, await _pending(rig, project), Decision(False, "key_1", "shorter"))

    assert (await rig.row(project)).status == "planning"
    assert [one.kind for one in await rig.subtasks(project)] == ["replan"]


async def test_the_plan_that_follows_a_rejected_one_is_asked_about_too(
    rig: Rig, model: ScriptedModel
) -> None:
    model.script = plan_anew
    project = await rig.create(plan(task("one")), auto_execute=True, approvals=Policy.ALL)
    first = await _pending(rig, project)
    async with rig.worker():
        await _decide(rig, first, Decision(False, "key_1", "two of them"))
        second = await _pending(rig, project)
        assert (await rig.row(project)).status == "planned"
        assert second.question.startswith("Shall the plan be executed? It is version 2 and has 2 ")

        await _decide(rig, second, Decision(True, "key_1"))

        assert await rig.end(project) == "succeeded"
    assert set(await rig.tasks(project)) == {"one", "two"}


async def test_a_plan_that_was_not_made_anew_is_asked_about_again(
    rig: Rig, model: ScriptedModel
) -> None:
    model.script = lambda request: "An essay, and no plan."
    budget = Budget({Limit.CALLS: 1})
    project = await rig.create(
        plan(task("one")), auto_execute=True, approvals=Policy.ALL, budget=budget
    )
    first = await _pending(rig, project)
    async with rig.worker():
        await _decide(rig, first, Decision(False, "key_1", "shorter"))
        second = await _pending(rig, project)
    assert second.question.startswith("There is no new plan: the plan was not finished: ")
    assert "It is version 1 and has 1 tasks." in second.question
    row = await rig.row(project)
    assert (row.status, row.started_at) == ("planned", None)
    assert row.error["code"] == "budget_exhausted"

    engine = rig.parts.engine
    other = plan(task("other"))
    await engine.run(lambda turn: engine.edit_plan(turn, WORKSPACE, project, other, None))

    third = await _pending(rig, project)
    assert third.question.startswith("Shall the plan be executed? It is version 2")
    assert (await rig.row(project)).error is None


async def test_a_plan_that_is_replanned_unanswered_is_asked_about_anew(
    rig: Rig, model: ScriptedModel
) -> None:
    model.script = plan_anew
    engine = rig.parts.engine
    project = await rig.create(plan(task("one")), auto_execute=True, approvals=Policy.ALL)
    first = await _pending(rig, project)
    async with rig.worker():
        await engine.run(lambda turn: engine.replan(turn, WORKSPACE, project, None))
        second = await _pending(rig, project)

    assert "It is version 2" in second.question
    assert [one.status for one in await _approvals(rig, project)] == ["expired", "pending"]
    assert first.id != second.id
    assert (await rig.row(project)).started_at is None


async def test_executing_a_plan_answers_its_question(rig: Rig) -> None:
    engine = rig.parts.engine
    project = await rig.create(plan(task("one")), auto_execute=True, approvals=Policy.ALL)
    await engine.run(lambda turn: engine.dispatch(turn, WORKSPACE, project))

    (asked,) = await _approvals(rig, project)
    assert asked.status == "expired"


async def _approvals(rig: Rig, project: str) -> list[Approval]:
    async with rig.parts.database.read() as session:
        rows = await session.execute(
            select(Approval).where(Approval.project_id == project).order_by(Approval.id)
        )
        return list(rows.scalars())


async def _pending(rig: Rig, project: str) -> Approval:
    async def is_asked() -> bool:
        return any(one.status == "pending" for one in await _approvals(rig, project))

    await until(is_asked, timeout=30)
    return next(one for one in await _approvals(rig, project) if one.status == "pending")


async def _decide(rig: Rig, asked: Approval, decision: Decision) -> None:
    engine = rig.parts.engine
    await engine.run(lambda turn: engine.decide(turn, WORKSPACE, asked.id, decision))
