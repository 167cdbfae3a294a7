"""Idempotency-Key: the same POST twice has one effect and one answer."""

import asyncio

import pytest
from fastapi import FastAPI

from nexus.models.writing import Query, Transaction
from nexus.orchestrator.forgetting import forget_answers
from nexus.wiring import Parts
from tests.api.client import Client


@pytest.fixture
def where(database_url: str) -> str:
    """Run everything here on SQLite and on PostgreSQL."""
    return database_url


async def test_the_first_answer_is_given_again(client: Client) -> None:
    headers = {"Idempotency-Key": "one"}

    first = await client.http.post("/projects", json={"goal": "Write"}, headers=headers)
    again = await client.http.post("/projects/", json={"goal": "Write"}, headers=headers)

    assert (again.status_code, again.text) == (201, first.text)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert len((await client.http.get("/projects")).json()["items"]) == 1


async def test_another_body_under_the_same_key_is_refused(client: Client) -> None:
    headers = {"Idempotency-Key": "one"}
    await client.http.post("/projects", json={"goal": "Write"}, headers=headers)

    other = await client.http.post("/projects", json={"goal": "Paint"}, headers=headers)

    assert other.status_code == 422
    assert other.json()["code"] == "idempotency_key_reused"


async def test_posts_at_the_same_time_have_one_effect(client: Client) -> None:
    headers = {"Idempotency-Key": "one"}

    answers = await asyncio.gather(
        *(client.http.post("/projects", json={"goal": "Write"}, headers=headers) for _ in range(10))
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert len((await client.http.get("/projects")).json()["items"]) == 1


async def test_executing_twice_under_one_key_is_one_start(client: Client) -> None:
    made = await client.project()
    path = f"/projects/{made['id']}/execute"

    first = await client.http.post(path, headers={"Idempotency-Key": "go"})
    again = await client.http.post(path, headers={"Idempotency-Key": "go"})

    assert (again.status_code, again.text) == (202, first.text)


async def test_a_refused_post_leaves_the_key_free(client: Client) -> None:
    made = await client.project()
    path = f"/projects/{made['id']}"
    headers = {"Idempotency-Key": "stop"}
    await client.http.post(f"{path}/cancel")
    assert (await client.http.post(f"{path}/cancel", headers=headers)).status_code == 409
    await client.http.post(f"{path}/retry")

    assert (await client.http.post(f"{path}/cancel", headers=headers)).status_code == 202


async def test_a_key_is_shown_again_only_to_who_made_it(client: Client) -> None:
    headers = {"Idempotency-Key": "one"}
    body = {"name": "robot", "scopes": ["read"]}

    first = await client.http.post("/keys", json=body, headers=headers)
    again = await client.http.post("/keys", json=body, headers=headers)

    assert again.json() == first.json()
    assert first.json()["key"].startswith(first.json()["prefix"])


async def test_workspaces_do_not_share_idempotency_keys(client: Client) -> None:
    other = await client.key(workspace="other")
    headers = {"Idempotency-Key": "one"}
    first = await client.http.post("/projects", json={"goal": "Write"}, headers=headers)

    second = await client.http.post(
        "/projects",
        json={"goal": "Paint"},
        headers={**headers, "Authorization": f"Bearer {other['key']}"},
    )

    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]


async def test_an_answer_is_kept_for_a_day(app: FastAPI, client: Client) -> None:
    parts: Parts = app.state.parts
    for key in ("old", "new"):
        await client.http.post(
            "/projects", json={"goal": "Write"}, headers={"Idempotency-Key": key}
        )

    def age(hours: int) -> Transaction[None]:
        yield Query(
            "UPDATE idempotency_keys SET created_at = NOW_US() - $1 WHERE key = 'old'",
            (hours * 3_600_000_000,),
        )

    await parts.database.run(lambda: age(23))
    assert await parts.database.run(forget_answers) == 0
    await parts.database.run(lambda: age(25))
    assert await parts.database.run(forget_answers) == 1
    assert await parts.database.run(forget_answers) == 0
