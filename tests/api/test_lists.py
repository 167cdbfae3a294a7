"""Every list keeps the contract of lists: `limit`, its own `next_cursor`, and either spelling of its path."""

from typing import Any

import pytest
from fastapi import FastAPI

from nexus.domain.seam import Call, CallKind
from nexus.orchestrator.batch import write_batch
from nexus.orchestrator.claiming import due_subtasks
from nexus.orchestrator.material import Recall
from nexus.orchestrator.membership import join
from nexus.orchestrator.outcomes import Problem
from nexus.orchestrator.recording import Begin, Intent
from nexus.orchestrator.settling import settle_problem
from nexus.orchestrator.value_files import Kept
from nexus.settings import Settings
from tests.api.client import Client, plan_of
from tests.api.interrupted import interrupt
from tests.api.test_artifacts import made
from tests.support.acts import claim

WORKER = "wrk_of_this_test"


@pytest.fixture
def where(database_url: str) -> str:
    """Run everything here on SQLite and on PostgreSQL."""
    return database_url


@pytest.fixture
async def lists(app: FastAPI, client: Client, settings: Settings) -> list[str]:
    """Fill every list with at least two things; return their paths."""
    asked = [await interrupt(app, client) for _ in range(2)]
    written, _ = await made(app, client, settings, "one.txt", "two.txt")
    tried, task, subtask = await _tried_again(app, client)
    for number in range(2):
        await client.http.post("/documents", files={"file": (f"{number}.txt", b"%d" % number)})
        await client.key()
    body = {"title": "Colour", "text": "The door is green."}
    memory = (await client.http.post("/memory", json=body)).json()
    await client.http.post("/memory", json={"title": "Size", "text": "The house has two doors."})
    await client.http.patch(f"/memory/{memory['id']}", json={"title": "Door"})
    assert len({one["id"] for one in asked}) == 2
    return [
        "/projects",
        f"/projects/{tried}/tasks",
        f"/projects/{tried}/events",
        f"/projects/{tried}/diagnosis",
        f"/projects/{written}/artifacts",
        f"/tasks/{task}/subtasks",
        f"/subtasks/{subtask}/journal",
        "/approvals",
        "/documents",
        "/memory",
        f"/memory/{memory['id']}/changes",
        "/agents",
        "/keys",
    ]


async def _tried_again(app: FastAPI, client: Client) -> tuple[str, str, str]:
    """Let a task make two calls, fail and be retried; return its project, itself and what failed."""
    engine = app.state.parts.engine
    project = (await client.project(plan=plan_of("one", "two"), auto_execute=True))["id"]
    await engine.run(lambda turn: join(WORKER, 4, 60.0))
    taken = await engine.run(lambda turn: due_subtasks(2))
    first, second = await engine.run(lambda turn: claim(turn, WORKER, taken))
    calls = [Call(CallKind.MODEL, "groq:gpt", f"{n}", f"{n}" * 64) for n in range(2)]
    begun = [Begin(first.held, Intent(call, n, 0, 0, Kept("null"))) for n, call in enumerate(calls)]
    await engine.run(lambda turn: write_batch(turn, WORKER, begun, None, Recall()))
    broken = Problem("broken", "it broke", again=False)
    for each in (first, second):
        await engine.run(lambda turn, held=each.held: settle_problem(turn, held, broken))
    retried = await client.http.post(f"/projects/{project}/retry")
    assert retried.status_code == 202, retried.text
    return project, first.task_id, first.held.subtask_id


async def _walk(client: Client, path: str, limit: int) -> list[Any]:
    """Read a list to its end, as a client does that knows nothing of it but the contract."""
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.http.get(path, params={"limit": limit, **cursor})
        assert answer.status_code == 200, f"{path}: {answer.text}"
        page = answer.json()
        assert len(page["items"]) <= limit, path
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def test_every_list_is_read_to_its_end_in_pages_of_any_size(
    client: Client, lists: list[str]
) -> None:
    for path in lists:
        whole = await _walk(client, path, 200)
        assert len(whole) >= 2, path
        assert await _walk(client, path, 1) == whole
        assert await _walk(client, f"{path}/", 1) == whole
        assert (await client.http.get(path, params={"limit": 0})).status_code == 422, path
        wrong = await client.http.get(path, params={"cursor": "nonsense"})
        assert wrong.status_code == 422, path
        assert wrong.json()["errors"], path


async def test_what_changes_between_two_pages_hides_no_agent(client: Client) -> None:
    for name in ("poet1", "poet2", "poet3"):
        body = {"name": name, "description": "Writes.", "prompt": "Write."}
        assert (await client.http.post("/agents", json=body)).status_code == 201
    whole = (await client.http.get("/agents")).json()["items"]
    size = len(whole) - 2
    first = (await client.http.get("/agents", params={"limit": size})).json()
    assert first["items"][-1]["name"] == "poet1"
    rest = {"cursor": first["next_cursor"]}

    for _ in range(2):
        following = (await client.http.get("/agents", params=rest)).json()
        assert [one["name"] for one in following["items"]] == ["poet2", "poet3"]
        await client.http.delete("/agents/poet1")


async def test_the_changes_of_no_memory_are_not_found_on_any_page(client: Client) -> None:
    body = {"title": "Colour", "text": "The door is green."}
    memory = (await client.http.post("/memory", json=body)).json()
    await client.http.patch(f"/memory/{memory['id']}", json={"title": "Door"})
    path = f"/memory/{memory['id']}/changes"
    cursor = (await client.http.get(path, params={"limit": 1})).json()["next_cursor"]

    unknown = await client.http.get("/memory/mem_0/changes", params={"cursor": cursor})

    assert unknown.status_code == 404


async def test_a_page_of_events_is_named_by_after_or_by_cursor(client: Client) -> None:
    project = await client.project(auto_execute=True)
    path = f"/projects/{project['id']}/events"
    whole = (await client.http.get(path)).json()["items"]

    for query in ("after=2", "cursor=2", "after=2&cursor=2"):
        answer = await client.http.get(f"{path}?{query}")
        assert answer.json()["items"] == whole[2:], query
    for query in ("after=1&cursor=2", "after=0&cursor=2", "cursor=-1", "cursor="):
        assert (await client.http.get(f"{path}?{query}")).status_code == 422, query
