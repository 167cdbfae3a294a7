"""Agents that a workspace declares over HTTP, and those of files in the data directory."""

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from nexus.domain.declared import MAX_DECLARED
from nexus.errors import Misconfigured
from nexus.main import create_app
from nexus.settings import Settings
from tests.api.client import Client, client_for, plan_of

POET: dict[str, Any] = {
    "name": "poet",
    "description": "Writes\n poems.",
    "prompt": "Write in verse.",
    "model": "offline",
    "tools": ["read_file", "search_memory"],
    "limits": {"max_model_calls": 3, "max_output_tokens": 500, "timeout_seconds": 60},
}
ALL_SCOPES = ["read", "write", "execute", "approve", "admin"]


async def test_a_declared_agent_is_shown_and_removed(client: Client) -> None:
    made = await client.http.post("/agents", json=POET)

    assert (made.status_code, made.headers["location"]) == (201, "/agents/poet")
    assert made.json() == {
        **POET,
        "description": "Writes poems.",
        "builtin": False,
        "plannable": True,
        "own": True,
    }
    assert (await client.http.get("/agents/poet")).json() == made.json()
    listed = (await client.http.get("/agents")).json()["items"]
    assert [one["name"] for one in listed if one["own"]] == ["poet"]
    assert (await client.http.delete("/agents/poet")).status_code == 204
    assert (await client.http.get("/agents/poet")).status_code == 404
    assert (await client.http.delete("/agents/poet")).status_code == 404
    assert (await client.http.delete("/agents/content")).status_code == 404


async def test_a_plan_may_name_it_in_its_own_workspace_alone(app: FastAPI, client: Client) -> None:
    await client.http.post("/agents", json=POET)
    made = await client.project(plan=plan_of("page", agent="poet"))
    edited = await client.http.put(
        f"/projects/{made['id']}/plan", json={"plan": plan_of("other", agent="poet")}
    )
    assert edited.status_code == 200, edited.text

    key = await client.key(workspace="other", scopes=ALL_SCOPES)
    async with client_for(app, key["key"]) as other:
        refused = await other.post(
            "/projects", json={"goal": "x", "plan": plan_of("page", agent="poet")}
        )
        assert refused.json()["errors"][0]["place"] == "plan.phases[0].tasks[0].agent"
        assert (await other.get("/agents/poet")).status_code == 404
        assert (await other.delete("/agents/poet")).status_code == 404
        assert not any(one["own"] for one in (await other.get("/agents")).json()["items"])
        mine = await other.post("/agents", json={**POET, "prompt": "Another."})
        assert mine.status_code == 201
    kept = (await client.http.get("/agents/poet")).json()
    assert kept["prompt"] == "Write in verse."


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": "research"}, "name"),
        ({"name": "manager"}, "name"),
        ({"name": ".."}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"description": " "}, "description"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x" * 20_001}, "prompt"),
        ({"tools": ["read_file", "launch"]}, "tools[1]"),
        ({"tools": ["read_file", "read_file"]}, "tools[1]"),
        ({"model": "nowhere:at-all"}, "model"),
        ({"limits": {"max_model_calls": 0}}, "limits.max_model_calls"),
        ({"limits": {"max_model_calls": True}}, "limits.max_model_calls"),
        ({"limits": {"timeout_seconds": -1}}, "limits.timeout_seconds"),
        ({"limits": {"max_cost": 1}}, "limits.max_cost"),
        ({"temperature": 1}, "temperature"),
    ],
)
async def test_what_cannot_be_is_refused_in_its_place(
    client: Client, change: dict[str, Any], place: str
) -> None:
    answer = await client.http.post("/agents", json={**POET, **change})

    assert answer.status_code == 422
    assert [wrong["place"] for wrong in answer.json()["errors"]] == [place]
    assert not any(one["own"] for one in (await client.http.get("/agents")).json()["items"])


async def test_a_name_is_given_once_and_a_repetition_gets_the_first_answer(client: Client) -> None:
    again = {"Idempotency-Key": "one"}
    first = await client.http.post("/agents", json=POET, headers=again)
    second = await client.http.post("/agents", json=POET, headers=again)
    third = await client.http.post("/agents", json=POET)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert (third.status_code, third.json()["code"]) == (409, "agent_exists")


async def test_a_workspace_declares_so_many_and_no_more(client: Client) -> None:
    for number in range(MAX_DECLARED):
        made = await client.http.post("/agents", json={**POET, "name": f"poet{number}"})
        assert made.status_code == 201
    answer = await client.http.post("/agents", json=POET)

    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_agents")


def _write(settings: Settings, name: str, text: str) -> Path:
    folder = settings.data / "agents"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(text)
    return file


FILED = 'name = "filed"\ndescription = "From a file."\nprompt = "Secret recipe."\ntools = ["read_file"]\n'


async def test_an_agent_of_a_file_belongs_to_every_workspace(settings: Settings) -> None:
    _write(settings, "filed.toml", FILED + "[limits]\nmax_model_calls = 2\n")
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        key = (settings.data / "admin.key").read_text().strip()
        async with client_for(app, key) as http:
            client = Client(http)
            shown = (await http.get("/agents/filed")).json()
            await client.project(plan=plan_of("page", agent="filed"))
            taken = await http.post("/agents", json={**POET, "name": "filed"})
            assert (await http.delete("/agents/filed")).status_code == 404
    assert (shown["own"], shown["builtin"], shown["prompt"]) == (False, False, None)
    assert shown["limits"]["max_model_calls"] == 2
    assert taken.json()["errors"][0]["place"] == "name"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "it is not TOML"),
        ('name = "x"\n', "description: Field required"),
        (FILED.replace("read_file", "launch"), "tools[0]: unknown tool"),
        (FILED.replace('"filed"', '"qa"'), "name: is the name of an agent"),
        (FILED + "colour = 1\n", "colour: "),
    ],
)
async def test_a_file_that_is_no_agent_is_named_at_start(
    settings: Settings, text: str, said: str
) -> None:
    _write(settings, "wrong.toml", text)
    app = create_app(settings)
    with pytest.raises(Misconfigured) as refused:
        async with app.router.lifespan_context(app):
            pass
    assert refused.value.message.startswith("the agent of agents/wrong.toml cannot be used: ")
    assert said in refused.value.message
