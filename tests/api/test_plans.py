"""Plans are edited where that is safe, and amended by the manager when somebody asks for it."""

from typing import Any

import pytest
from fastapi import FastAPI

from tests.api.client import Client, client_for, plan_of


@pytest.fixture
def where(database_url: str) -> str:
    """Run everything here on SQLite and on PostgreSQL."""
    return database_url


async def test_a_plan_is_put_in_the_place_of_another(client: Client) -> None:
    made = await client.project(plan=plan_of("one", "two"))
    path = f"/projects/{made['id']}"

    answer = await client.http.put(
        f"{path}/plan", json=plan_of("two", "three"), headers={"If-Match": '"1"'}
    )

    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == '"2"'
    assert answer.json()["version"] == 2
    assert answer.json()["estimate"]["cost_usd"] == "0.00"
    tasks = (await client.http.get(f"{path}/tasks")).json()["items"]
    assert [task["key"] for task in tasks] == ["two", "three"]
    progress = (await client.http.get(f"{path}/progress")).json()
    assert progress["counts"]["pending"] == 2
    assert sum(progress["counts"].values()) == 2
    first = (await client.http.get(f"{path}/plan?version=1")).json()["plan"]["phases"][0]
    assert [task["key"] for task in first["tasks"]] == ["one", "two"]
    told = await _events(client, made["id"])
    assert told[-1]["type"] == "project.replanned"
    assert told[-1]["data"] == {
        "plan_version": 2,
        "status": "planned",
        "because": "edited",
        "comment": None,
        "reason": None,
        "safe": None,
        "added": ["three"],
        "changed": [],
        "dropped": ["one"],
    }


async def test_what_was_read_can_be_put_back_changed(client: Client) -> None:
    made = await client.project(plan=plan_of("one"))
    shown = (await client.http.get(f"/projects/{made['id']}/plan")).json()
    shown["plan"]["phases"][0]["tasks"][0]["instructions"] = "Do it well."

    answer = await client.http.put(f"/projects/{made['id']}/plan", json=shown)
    late = await client.http.put(f"/projects/{made['id']}/plan", json=shown)

    assert answer.status_code == 200, answer.text
    assert late.status_code == 412
    (task,) = (await client.http.get(f"/projects/{made['id']}/tasks")).json()["items"]
    assert task["instructions"] == "Do it well."


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"If-Match": '"7"'}, plan_of("one"), 412),
        ({"If-Match": '"0"'}, plan_of("one"), 412),
        ({"If-Match": "soon"}, plan_of("one"), 412),
        ({}, {"phases": []}, 422),
        ({}, {"plan": plan_of("one"), "versions": 1}, 422),
        ({}, plan_of("one", "one"), 422),
        ({}, plan_of("one", agent="nobody"), 422),
    ],
)
async def test_what_cannot_take_the_place_of_a_plan_changes_nothing(
    client: Client, headers: dict[str, str], body: dict[str, Any], status: int
) -> None:
    made = await client.project(plan=plan_of("one"))

    answer = await client.http.put(f"/projects/{made['id']}/plan", json=body, headers=headers)

    assert answer.status_code == status, answer.text
    shown = (await client.http.get(f"/projects/{made['id']}/plan")).json()
    assert shown["version"] == 1


async def test_a_plan_at_work_is_paused_before_it_is_edited(client: Client) -> None:
    made = await client.project(plan=plan_of("one", "two", chain=True), auto_execute=True)
    path = f"/projects/{made['id']}"

    refused = await client.http.put(f"{path}/plan", json=plan_of("one"))
    await client.http.post(f"{path}/pause")
    taken = await client.http.put(f"{path}/plan", json=plan_of("one", "three", chain=True))
    await client.http.post(f"{path}/resume")

    assert refused.status_code == 409
    assert "pause" in refused.json()["detail"] + str(refused.json())
    assert taken.status_code == 200, taken.text
    progress = (await client.http.get(f"{path}/progress")).json()
    assert progress["status"] == "running"
    assert progress["counts"]["queued"] == 1
    assert progress["counts"]["pending"] == 1


async def test_replanning_what_is_planned_takes_it_back_to_planning(client: Client) -> None:
    made = await client.project(plan=plan_of("one"))
    path = f"/projects/{made['id']}"

    asked = await client.http.post(f"{path}/replan", json={"comment": "shorter"})
    again = await client.http.post(f"{path}/replan")

    assert asked.status_code == 202, asked.text
    assert asked.json() == {"project_id": made["id"], "status": "planning"}
    assert again.status_code == 409
    told = await _events(client, made["id"])
    assert [event["type"] for event in told[-2:]] == ["project.replanned", "subtask.queued"]
    assert told[-2]["data"]["comment"] == "shorter"
    assert told[-2]["data"]["status"] == "planning"


async def test_an_edited_plan_is_asked_about_anew(client: Client) -> None:
    made = await client.project(plan=plan_of("one"), auto_execute=True, approvals="all")
    (first,) = await _asked(client, made["id"])

    edited = await client.http.put(f"/projects/{made['id']}/plan", json=plan_of("one", "two"))
    late = await client.http.post(f"/approvals/{first['id']}", json={"decision": "approve"})

    assert edited.status_code == 200, edited.text
    assert (late.status_code, late.json()["code"]) == (409, "approval_expired")
    assert "the plan it was about was executed, changed or cancelled" in late.json()["detail"]
    (second,) = await _asked(client, made["id"])
    assert "It is version 2 and has 2 tasks" in second["question"]
    assert (await client.http.get(f"/projects/{made['id']}")).json()["status"] == "planned"
    answer = await client.http.post(f"/approvals/{second['id']}", json={"decision": "approve"})
    assert answer.status_code == 200
    assert (await client.http.get(f"/projects/{made['id']}")).json()["status"] == "running"


async def test_a_plan_that_nobody_waits_to_start_is_edited_unasked(client: Client) -> None:
    made = await client.project(plan=plan_of("one"), approvals="all")

    await client.http.put(f"/projects/{made['id']}/plan", json=plan_of("two"))

    assert await _asked(client, made["id"]) == []


async def test_a_plan_that_is_asked_about_is_executed_by_who_may_approve(
    app: FastAPI, client: Client
) -> None:
    made = await client.project(plan=plan_of("one"), auto_execute=True, approvals="all")
    path = f"/projects/{made['id']}"
    key = await client.key(scopes=["read", "write", "execute"])

    async with client_for(app, key["key"]) as operator:
        refused = await operator.post(f"{path}/execute")
        assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
        assert "/approvals" in str(refused.json())
        assert len(await _asked(client, made["id"])) == 1
        assert (await client.http.get(path)).json()["status"] == "planned"

        assert (await operator.post(f"{path}/cancel")).status_code == 202
        for way in ("retry", "replan"):
            assert (await operator.post(f"{path}/{way}")).status_code == 403, way
        assert (await operator.post(f"{path}/execute")).status_code == 409
        assert (await client.http.post(f"{path}/retry")).status_code == 202
        assert (await client.http.get(path)).json()["status"] == "running"

        await operator.post(f"{path}/cancel")
        assert (await operator.post(f"{path}/retry")).status_code == 202, "it was approved"


async def test_who_may_approve_answers_by_executing(app: FastAPI, client: Client) -> None:
    made = await client.project(plan=plan_of("one"), auto_execute=True, approvals="all")
    key = await client.key(scopes=["execute", "approve"])

    async with client_for(app, key["key"]) as person:
        answer = await person.post(f"/projects/{made['id']}/execute")

    assert answer.status_code == 202, answer.text
    assert await _asked(client, made["id"]) == []


async def test_a_plan_that_nobody_is_asked_about_needs_no_approval(
    app: FastAPI, client: Client
) -> None:
    made = await client.project(plan=plan_of("one"), approvals="all")
    key = await client.key(scopes=["execute"])

    async with client_for(app, key["key"]) as operator:
        answer = await operator.post(f"/projects/{made['id']}/execute")

    assert answer.status_code == 202, answer.text


async def test_a_plan_that_is_asked_about_is_replanned_by_who_may_not_approve(
    app: FastAPI, client: Client
) -> None:
    made = await client.project(plan=plan_of("one"), auto_execute=True, approvals="all")
    key = await client.key(scopes=["execute"])

    async with client_for(app, key["key"]) as operator:
        answer = await operator.post(f"/projects/{made['id']}/replan")

    assert answer.json()["status"] == "planning", answer.text


async def _asked(client: Client, project_id: str) -> list[dict[str, Any]]:
    answer = await client.http.get(f"/approvals?status=pending&project_id={project_id}")
    asked: list[dict[str, Any]] = answer.json()["items"]
    return asked


async def _events(client: Client, project_id: str) -> list[dict[str, Any]]:
    answer = await client.http.get(f"/projects/{project_id}/events")
    events: list[dict[str, Any]] = answer.json()["items"]
    return events
