"""GET /projects/{id}/diagnosis of projects that are not at work, and what comes before a task."""

import pytest
from fastapi import FastAPI

from nexus.models.writing import Query, Transaction
from nexus.orchestrator.claiming import AGEING_US, due_subtasks
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.membership import join
from nexus.orchestrator.outcomes import Problem
from nexus.orchestrator.settling import settle_problem
from tests.api.client import Client, plan_of
from tests.api.test_diagnosis import WORKER, codes, diagnose, take


@pytest.fixture
def where(database_url: str) -> str:
    """Run everything here on SQLite and on PostgreSQL."""
    return database_url


@pytest.fixture
def engine(app: FastAPI) -> WorkflowEngine:
    found: WorkflowEngine = app.state.parts.engine
    return found


async def test_in_a_paused_project_nothing_waits_for_a_worker(
    client: Client, engine: WorkflowEngine
) -> None:
    plan = plan_of("one", "two", "three", chain=True)
    made = await client.project(plan=plan, auto_execute=True)
    await client.http.post(f"/projects/{made['id']}/pause")
    alone = await diagnose(client, made["id"])
    await engine.run(lambda turn: join(WORKER, 4, 60.0))

    found = await diagnose(client, made["id"])

    assert codes(found) == {
        "one": ["paused"],
        "two": ["paused", "dependencies"],
        "three": ["paused", "dependencies"],
    }
    assert codes(alone) == codes(found)


async def test_tasks_of_a_plan_that_is_written_anew_wait_for_it(client: Client) -> None:
    made = await client.project(plan=plan_of("one", "two", chain=True))
    await client.http.post(f"/projects/{made['id']}/replan")

    found = await diagnose(client, made["id"])

    assert codes(found) == {None: ["no_worker"], "one": ["planning"], "two": ["planning"]}
    assert found["text"].startswith("its plan is being written: ")


async def test_a_failed_project_with_another_plan_waits_to_be_retried(
    client: Client, engine: WorkflowEngine
) -> None:
    made = await client.project(auto_execute=True)
    held = (await take(engine)).held
    broken = Problem("broken", "it broke", again=False)
    await engine.run(lambda turn: settle_problem(turn, held, broken))
    path = f"/projects/{made['id']}/plan"
    edited = await client.http.put(path, json=plan_of("other", "more", chain=True))
    assert edited.status_code == 200, edited.text

    found = await diagnose(client, made["id"])

    assert codes(found) == {"other": ["not_retried"], "more": ["not_retried"]}
    assert found["text"] == "it has failed: the task page failed: it broke"


def _age(project_id: str) -> Transaction[None]:
    yield Query(
        "UPDATE subtasks SET run_at = run_at - $1 WHERE project_id = $2",
        (AGEING_US + 1_000_000, project_id),
    )


async def test_what_comes_before_a_task_is_what_workers_claim_before_it(
    app: FastAPI, client: Client, engine: WorkflowEngine
) -> None:
    paused = await client.project(plan=plan_of("one", "two"), auto_execute=True)
    await client.http.post(f"/projects/{paused['id']}/pause")
    aged = await client.project(auto_execute=True)
    await app.state.parts.database.run(lambda: _age(aged["id"]))
    fresh = await client.project(auto_execute=True)
    quick = (await client.http.post("/projects", json={"goal": "Write"})).json()
    await engine.run(lambda turn: join(WORKER, 4, 60.0))
    order = await engine.run(lambda turn: due_subtasks(10))

    said = []
    for each in (aged, quick, fresh):
        (item,) = (await diagnose(client, each["id"]))["items"]
        said.append((item["subtask_id"], item["reasons"][0]["text"]))

    assert [subtask_id for subtask_id, _ in said] == order
    assert [text for _, text in said] == [
        "queued: 0 due subtasks before it",
        "queued: 1 due subtask before it",
        "queued: 2 due subtasks before it",
    ]
