"""Budgets over HTTP: what may be asked for, what is shown, and what is refused."""

import pytest

from tests.api.client import Client


async def test_a_budget_is_shown_as_it_was_given_changed_and_removed(client: Client) -> None:
    made = await client.project(budget={"max_cost_usd": 0.01, "max_tokens": 5_000})
    place = f"/projects/{made['id']}"
    whole = {"max_cost_usd": "0.01", "max_tokens": 5_000, "max_seconds": None, "max_calls": None}

    assert made["budget"] == whole
    assert made["usage"]["unpriced_requests"] == 0
    kept = await client.http.patch(place, json={"name": "Other"})
    assert kept.json()["budget"] == whole
    changed = await client.http.patch(place, json={"budget": {"max_cost_usd": "2.5"}})
    assert changed.json()["budget"] == {**dict.fromkeys(whole), "max_cost_usd": "2.50"}
    again = await client.http.patch(place, json={"budget": changed.json()["budget"]})
    assert again.json()["budget"] == changed.json()["budget"]
    removed = await client.http.patch(place, json={"budget": None})
    assert removed.json()["budget"] is None
    page = (await client.http.get(f"{place}/events")).json()["items"]
    told = [event["data"]["max_cost_usd"] for event in page if event["type"] == "budget.set"]
    assert told == ["0.01", "2.50", "2.50", None]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_cost_usd", "-0.01"),
        ("max_cost_usd", 0),
        ("max_cost_usd", "NaN"),
        ("max_cost_usd", True),
        ("max_cost_usd", "1e-13"),
        ("max_cost_usd", 10**9),
        ("max_tokens", -1),
        ("max_tokens", 1.5),
        ("max_seconds", 0),
        ("max_calls", "three"),
        ("max_hats", 1),
    ],
)
async def test_what_cannot_be_a_budget_is_refused_with_its_place(
    client: Client, field: str, value: object
) -> None:
    answer = await client.http.post("/projects", json={"goal": "W", "budget": {field: value}})
    made = await client.project()
    edit = await client.http.patch(f"/projects/{made['id']}", json={"budget": {field: value}})

    for one in (answer, edit):
        assert one.status_code == 422
        assert one.json()["errors"][0]["place"] == f"budget.{field}"


async def test_only_what_waits_for_its_budget_is_resumed(client: Client) -> None:
    made = await client.project(budget={"max_calls": 1})

    answer = await client.http.post(f"/projects/{made['id']}/resume")

    assert answer.status_code == 409
    assert answer.json()["code"] == "illegal_transition"
