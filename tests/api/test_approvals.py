"""/approvals: what is asked, and the one answer to it."""

from typing import Any

import pytest
from fastapi import FastAPI

from tests.api.client import Client
from tests.api.interrupted import interrupt


@pytest.fixture
def where(database_url: str) -> str:
    """Run everything here on SQLite and on PostgreSQL."""
    return database_url


@pytest.fixture
async def asked(app: FastAPI, client: Client) -> dict[str, Any]:
    """The approval of a call that was interrupted."""
    return await interrupt(app, client)


async def test_a_question_is_shown_with_the_call_it_is_about(
    client: Client, asked: dict[str, Any]
) -> None:
    shown = (await client.http.get(f"/approvals/{asked['id']}")).json()

    assert shown == asked
    assert shown["kind"] == "interrupted_call"
    assert "send_letter" in shown["question"]
    assert shown["decision"] is None
    assert shown["call"]["arguments"].startswith('{"to":"Ada"')
    assert len(shown["call"]["arguments"]) == 2_000
    project = (await client.http.get(f"/projects/{shown['project_id']}")).json()
    assert project["status"] == "waiting"
    progress = (await client.http.get(f"/projects/{shown['project_id']}/progress")).json()
    assert progress["counts"]["waiting"] == 1


async def test_an_answer_is_taken_once(client: Client, asked: dict[str, Any]) -> None:
    path = f"/approvals/{asked['id']}"

    first = await client.http.post(path, json={"decision": "approve", "comment": "go on"})
    again = await client.http.post(path, json={"decision": "reject"})

    assert first.status_code == 200
    decided = first.json()
    assert decided["status"] == "approved"
    assert decided["decision"]["comment"] == "go on"
    assert decided["decision"]["decided_by"].startswith("key_")
    assert (await client.http.get(path)).json() == decided
    assert (again.status_code, again.json()["code"]) == (409, "already_decided")
    assert (await client.http.get("/approvals?status=pending")).json()["items"] == []
    project = (await client.http.get(f"/projects/{asked['project_id']}")).json()
    assert project["status"] == "running"


async def test_a_repeated_answer_is_the_first_one(client: Client, asked: dict[str, Any]) -> None:
    path, headers = f"/approvals/{asked['id']}", {"Idempotency-Key": "one"}
    body = {"decision": "approve", "value": {"letter": 7}}

    first = await client.http.post(path, json=body, headers=headers)
    again = await client.http.post(path, json=body, headers=headers)
    other = await client.http.post(path, json={"decision": "reject"}, headers=headers)

    assert (again.status_code, again.text) == (200, first.text)
    assert first.json()["decision"]["value"] == {"letter": 7}
    assert first.json()["used_at"] is not None
    assert other.status_code == 422


async def test_what_is_cancelled_cannot_be_answered(client: Client, asked: dict[str, Any]) -> None:
    await client.http.post(f"/projects/{asked['project_id']}/cancel")

    late = await client.http.post(f"/approvals/{asked['id']}", json={"decision": "approve"})

    assert (late.status_code, late.json()["code"]) == (409, "approval_expired")
    assert "cancelled before anybody decided" in late.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"decision": "maybe"},
        {"decision": "reject", "value": 1},
        {"decision": "approve", "value": "x" * 16_001},
        {"decision": "approve", "comment": "x" * 2_001},
        {"decision": "approve", "more": 1},
    ],
)
async def test_an_answer_that_cannot_be_right_is_refused(
    client: Client, asked: dict[str, Any], body: dict[str, Any]
) -> None:
    answer = await client.http.post(f"/approvals/{asked['id']}", json=body)

    assert answer.status_code == 422
    assert (await client.http.get(f"/approvals/{asked['id']}")).json()["status"] == "pending"


async def test_only_keys_with_the_scope_approve_answer(
    client: Client, asked: dict[str, Any]
) -> None:
    key = await client.key(scopes=["read", "write", "execute"])
    headers = {"Authorization": f"Bearer {key['key']}"}

    read = await client.http.get(f"/approvals/{asked['id']}", headers=headers)
    answer = await client.http.post(
        f"/approvals/{asked['id']}", json={"decision": "approve"}, headers=headers
    )

    assert (read.status_code, answer.status_code) == (200, 403)


async def test_another_workspace_sees_nothing(client: Client, asked: dict[str, Any]) -> None:
    key = await client.key(workspace="other")
    headers = {"Authorization": f"Bearer {key['key']}"}

    shown = await client.http.get(f"/approvals/{asked['id']}", headers=headers)
    listed = await client.http.get("/approvals/", headers=headers)
    answer = await client.http.post(
        f"/approvals/{asked['id']}", json={"decision": "approve"}, headers=headers
    )

    assert (shown.status_code, answer.status_code) == (404, 404)
    assert listed.json()["items"] == []


async def test_a_list_goes_page_by_page_newest_first(app: FastAPI, client: Client) -> None:
    made = [(await interrupt(app, client))["id"] for _ in range(3)]

    first = (await client.http.get("/approvals?limit=2")).json()
    rest = (await client.http.get(f"/approvals?limit=2&cursor={first['next_cursor']}")).json()

    assert [one["id"] for one in first["items"] + rest["items"]] == made[::-1]
    assert rest["next_cursor"] is None
