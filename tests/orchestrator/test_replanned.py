"""A task of a plan the manager wrote fails: the manager amends the rest, and the project goes on."""

import json
from pathlib import Path
from typing import Any

from nexus.domain.consent import Policy
from nexus.domain.graph import compile_plan
from nexus.domain.plan import Execution
from nexus.orchestrator.outcomes import Outcome
from nexus.orchestrator.queueing import Share
from tests.orchestrator.hand import WORKER, Hand
from tests.scripted_model import Reply, ScriptedModel, ToolCalls
from tests.support.acts import claim, settle
from tests.support.rig import WORKSPACE, Rig, open_rig, plan
from tests.support.rig import task as task_of
from tests.support.waiting import until

BAD = "Draw it by year."
GOOD = "Draw it by island."


def task(key: str, instructions: str, *after: str) -> dict[str, Any]:
    return {
        "key": key,
        "title": key,
        "agent": "content",
        "instructions": instructions,
        "depends_on": list(after),
        "max_attempts": 1,
    }


FIRST = [task("facts", "Collect facts."), task("chart", BAD), task("report", "Write.", "chart")]
SECOND = [task("chart", GOOD, "facts"), task("report", "Write.", "facts", "chart")]


def script(request: dict[str, Any]) -> Reply:
    """Plan, fail at one task, amend, succeed."""
    system, said = (request["messages"][at]["content"] for at in (0, 1))
    if system.startswith("You are the manager agent"):
        amends = "its rest is to be written anew" in system
        tasks = SECOND if amends else FIRST
        plan = {"phases": [{"key": "work", "title": "Work", "tasks": tasks}]}
        return ToolCalls((("submit_plan", plan | ({"reason": "By island."} if amends else {})),))
    return "" if BAD in said else f"Done: {said.splitlines()[4]}"


async def test_the_rest_is_amended_after_a_failure(tmp_path: Path) -> None:
    async with (
        ScriptedModel(script) as model,
        open_rig(tmp_path, model="openai:any", openai_base_url=model.base_url) as rig,
        rig.worker(),
    ):
        project_id = await rig.create(None, auto_execute=True)
        assert await rig.end(project_id) == "succeeded"
        events = await rig.events(project_id)
        outputs = await rig.outputs(project_id)
    told = next(one.data for one in events if one.type == "project.replanned")
    assert (told["because"], told["reason"], told["safe"]) == ("task_failed", "By island.", None)
    assert (told["added"], told["dropped"]) == (["chart-2"], ["chart"])
    assert outputs["chart-2"]
    asked = [json.dumps(one["messages"]) for one in model.requests]
    done_once = [one for one in asked if '<task key=\\"facts\\"' in one]
    assert len(done_once) == 1, "what is done is not done again"
    amending = next(one for one in asked if "its rest is to be written anew" in one)
    assert "A task has failed." in amending
    assert "the model's reply cannot be used" in amending


async def test_only_a_person_has_a_plan_amended_where_everything_needs_approval(
    tmp_path: Path, database_url: str
) -> None:
    async with (
        ScriptedModel(script) as model,
        open_rig(
            tmp_path,
            database_url=database_url,
            model="openai:any",
            openai_base_url=model.base_url,
        ) as rig,
        rig.worker(),
    ):
        engine = rig.parts.engine
        project_id = await rig.create(None, approvals=Policy.ALL)

        async def is_planned() -> bool:
            return (await rig.row(project_id)).status == "planned"

        await until(is_planned, timeout=30)
        await engine.run(lambda turn: engine.dispatch(turn, WORKSPACE, project_id))
        assert await rig.end(project_id) == "failed"
        kinds = [one.type for one in await rig.events(project_id)]
        assert "project.replanned" not in kinds
        statuses = {key: row.status for key, row in (await rig.tasks(project_id)).items()}
        assert statuses == {"facts": "succeeded", "chart": "failed", "report": "skipped"}

        await engine.run(lambda turn: engine.replan(turn, WORKSPACE, project_id, None))
        assert await rig.end(project_id) == "succeeded"
        kinds = [one.type for one in await rig.events(project_id)]
    assert ("project.replanned" in kinds, "approval.requested" in kinds) == (True, False)


async def test_what_an_amendment_adds_begins_beside_a_question(rig: Rig) -> None:
    hand = Hand(rig)
    await hand.start()
    await hand.interrupt()
    engine = hand.engine
    amended = plan(task_of("two", "quick")).model_copy(update={"execution": Execution.PARALLEL})

    await engine.run(lambda turn: engine.replan(turn, "default", hand.project, None))
    [asked] = [one for one in await rig.subtasks(hand.project) if one.kind == "replan"]
    [replan] = await engine.run(lambda turn: claim(turn, WORKER, [asked.id]))
    graph = compile_plan(amended, frozenset({"quick"}))
    outcome = Outcome("{}", amended, graph, amends=True)
    await engine.run(lambda turn: settle(turn, replan.held, outcome, Share()))

    assert await hand.states() == ("running", "waiting", "waiting")
    assert await hand.take("two")
    await hand.desks.aclose()
