"""GET /projects/{id}/diagnosis: what each unfinished task waits for, on both databases."""

from typing import Any

import pytest
from fastapi import FastAPI

from nexus.domain.seam import Call, CallKind
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.batch import write_batch
from nexus.orchestrator.claiming import Claimed, due_subtasks
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.material import Recall
from nexus.orchestrator.membership import declare_gone, join
from nexus.orchestrator.outcomes import Problem
from nexus.orchestrator.recording import Begin, Intent
from nexus.orchestrator.settling import settle_problem
from nexus.orchestrator.value_files import Kept
from tests.api.client import Client, plan_of
from tests.api.interrupted import interrupt
from tests.support.acts import claim

WORKER = "wrk_of_this_test"
TWO_PHASES = {
    "phases": [
        {
            "key": "first",
            "title": "First",
            "tasks": [
                {"key": f"a{n}", "title": f"A{n}", "agent": "content", "instructions": "Do."}
                for n in range(12)
            ],
        },
        {
            "key": "second",
            "title": "Second",
            "tasks": [
                {"key": "b", "title": "B", "agent": "content", "instructions": "Do."},
                {
                    "key": "c",
                    "title": "C",
                    "agent": "content",
                    "instructions": "Do.",
                    "depends_on": ["b", "a0"],
                },
            ],
        },
    ]
}


@pytest.fixture
def where(database_url: str) -> str:
    """Run everything here on SQLite and on PostgreSQL."""
    return database_url


@pytest.fixture
def engine(app: FastAPI) -> WorkflowEngine:
    found: WorkflowEngine = app.state.parts.engine
    return found


async def diagnose(client: Client, project_id: str, **query: Any) -> dict[str, Any]:
    answer = await client.http.get(f"/projects/{project_id}/diagnosis", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def codes(found: dict[str, Any]) -> dict[str | None, list[str]]:
    return {one["key"]: [reason["code"] for reason in one["reasons"]] for one in found["items"]}


async def take(engine: WorkflowEngine) -> Claimed:
    await engine.run(lambda turn: join(WORKER, 4, 60.0))
    ids = await engine.run(lambda turn: due_subtasks(1))
    (claimed,) = await engine.run(lambda turn: claim(turn, WORKER, ids))
    return claimed


async def test_what_is_planned_waits_to_be_executed(client: Client) -> None:
    made = await client.project()

    found = await diagnose(client, made["id"])

    assert codes(found) == {"page": ["not_executed"]}
    assert found["text"] == "it is planned, and waits until somebody executes it"


async def test_what_is_planning_says_what_its_plan_waits_for(client: Client) -> None:
    made = (await client.http.post("/projects", json={"goal": "Write"})).json()

    found = await diagnose(client, made["id"])

    assert codes(found) == {None: ["no_worker"]}
    assert found["text"].startswith("its plan is being written: queued, and no worker is alive")


async def test_without_a_worker_nothing_moves(client: Client) -> None:
    made = await client.project(plan=plan_of("one", "two", chain=True), auto_execute=True)

    found = await diagnose(client, made["id"])

    assert codes(found) == {"one": ["no_worker"], "two": ["dependencies"]}
    assert found["text"] == "nothing moves: 1 task due, and no worker is alive"
    assert (found["redis"], found["chroma"]) == ("missing", "missing")
    assert found["workers"] == {"live": 0, "slots": 0, "busy": 0, "last_heartbeat_at": None}


async def test_phases_and_dependencies_name_who_holds_a_task_back(
    client: Client, engine: WorkflowEngine
) -> None:
    made = await client.project(plan=TWO_PHASES, auto_execute=True)
    await take(engine)

    found = await diagnose(client, made["id"])

    by_key = {one["key"]: one for one in found["items"]}
    assert list(by_key) == [*(f"a{n}" for n in range(12)), "b", "c"]
    (phase,) = by_key["b"]["reasons"]
    assert phase["code"] == "phase"
    assert phase["text"].startswith(
        "waits until the phase first has ended: a0 (running), a1 (queued)"
    )
    assert phase["text"].endswith("and 2 more")
    assert (len(phase["tasks"]), phase["more"]) == (10, 2)
    feeds, again = by_key["c"]["reasons"]
    assert feeds["text"] == "waits for a0 (running), b (pending)"
    assert again["code"] == "phase"
    assert by_key["a3"]["reasons"][0]["text"] == "queued: 2 due subtasks before it"
    assert found["counts"] == {"pending": 2, "queued": 11, "running": 1, "waiting": 0}
    assert found["text"] == "1 task running, 11 queued, 0 waiting, 2 held back"


async def test_a_running_task_says_where_and_which_call_it_waits_for(
    client: Client, engine: WorkflowEngine
) -> None:
    made = await client.project(auto_execute=True)
    held = (await take(engine)).held
    call = Call(CallKind.MODEL, "groq:gpt", "", "0" * 64)
    begun = Begin(held, Intent(call, 0, 0, 0, Kept("null")))
    await engine.run(lambda turn: write_batch(turn, WORKER, [begun], None, Recall()))

    (item,) = (await diagnose(client, made["id"]))["items"]

    assert [reason["code"] for reason in item["reasons"]] == ["running", "call"]
    runs, waits = item["reasons"]
    assert f"runs on {WORKER}" in runs["text"]
    assert "attempt 1 of 3" in runs["text"]
    assert runs["worker"] == WORKER
    assert waits["text"].startswith("waits for the model groq:gpt since 20")


async def test_a_lost_lease_is_said(client: Client, engine: WorkflowEngine) -> None:
    made = await client.project(auto_execute=True)
    await take(engine)
    await engine.run(lambda turn: declare_gone([WORKER]))

    found = await diagnose(client, made["id"])

    assert codes(found) == {"page": ["lease_over"]}
    assert found["items"][0]["reasons"][0]["text"].endswith("as soon as a worker is alive")


async def test_a_retry_says_when_and_after_what(client: Client, engine: WorkflowEngine) -> None:
    made = await client.project(auto_execute=True)
    held = (await take(engine)).held
    problem = Problem("busy", "the model is busy", retry_after_seconds=50)
    await engine.run(lambda turn: settle_problem(turn, held, problem))

    found = await diagnose(client, made["id"])

    assert codes(found) == {"page": ["not_before"]}
    text = found["items"][0]["reasons"][0]["text"]
    assert text.endswith("attempt 1 of 3 has ended, after: the model is busy")
    assert found["text"].startswith("1 task tried again later, the next not before 20")
    assert found["counts"]["running"] == 1


async def test_what_a_person_is_asked_is_said(app: FastAPI, client: Client) -> None:
    asked = await interrupt(app, client)

    found = await diagnose(client, asked["project_id"])

    (reason,) = found["items"][0]["reasons"]
    assert reason["approval_id"] == asked["id"]
    assert asked["question"] in reason["text"]
    assert found["text"] == "it waits for a person: 1 approval to decide"


async def test_a_page_goes_on_after_its_cursor(client: Client) -> None:
    made = await client.project(plan=TWO_PHASES, auto_execute=True)

    first = await diagnose(client, made["id"], limit=8)
    rest = await diagnose(client, made["id"], limit=8, cursor=first["next_cursor"])

    assert [len(first["items"]), len(rest["items"])] == [8, 6]
    assert rest["next_cursor"] is None
    assert len({one["key"] for one in first["items"] + rest["items"]}) == 14


async def test_what_is_over_has_nothing_to_say(client: Client) -> None:
    made = await client.project()
    await client.http.post(f"/projects/{made['id']}/cancel")

    found = await diagnose(client, made["id"])

    assert (found["items"], found["text"]) == ([], "it was cancelled")


async def test_only_its_workspace_sees_it(client: Client) -> None:
    made = await client.project()
    other = await client.key(workspace="other")
    headers = {"Authorization": f"Bearer {other['key']}"}

    answer = await client.http.get(f"/projects/{made['id']}/diagnosis", headers=headers)

    assert answer.status_code == 404


def _gone() -> Transaction[None]:
    yield Query("DELETE FROM workers")


async def test_an_unknown_worker_is_said(
    app: FastAPI, client: Client, engine: WorkflowEngine
) -> None:
    made = await client.project(auto_execute=True)
    await take(engine)
    await app.state.parts.database.run(_gone)

    found = await diagnose(client, made["id"])

    assert "is not known any more" in found["items"][0]["reasons"][0]["text"]
