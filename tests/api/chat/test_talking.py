"""Speaking to agents over HTTP, with real workers, on both databases."""

import json
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from tests.api.chat.talking import events_of, say
from tests.api.client import client_for
from tests.scripted_model import Reply, ScriptedModel, ToolCalls
from tests.support.rig import Rig

STREAM = {"Accept": "text/event-stream"}


async def test_a_conversation_goes_on_where_it_was(
    rig: Rig, client: httpx2.AsyncClient, model: ScriptedModel
) -> None:
    model.script = lambda request: f"Answer {model.calls}."
    async with rig.worker():
        first = await say(client, "content", "My name is Ada.")
        second = await say(
            client, "content", "What is my name?", conversation_id=first["conversation_id"]
        )
    assert (first["status"], first["answer"], first["number"]) == ("succeeded", "Answer 1.", 1)
    assert first["usage"] == {
        "requests": 1,
        "input_tokens": 100,
        "output_tokens": 20,
        "cost_usd": first["usage"]["cost_usd"],
    }
    assert (second["answer"], second["number"], second["left_out"]) == ("Answer 2.", 2, 0)
    told = [message["role"] for message in model.requests[1]["messages"]]
    assert told == ["system", "user", "assistant", "user"]
    assert "My name is Ada." in model.prompt(1)
    offered = {tool["function"]["name"] for tool in model.requests[0]["tools"]}
    assert "write_file" in offered
    assert not offered & {"ask_person", "save_memory"}

    shown = (await client.get(f"/agents/content/chat/{first['conversation_id']}")).json()
    assert [one["answer"] for one in shown["messages"]] == ["Answer 1.", "Answer 2."]
    assert (shown["messages"], shown["has_earlier"]) == ([first, second], False)
    newest = await client.get(f"/agents/content/chat/{first['conversation_id']}?limit=1")
    assert (newest.json()["messages"], newest.json()["has_earlier"]) == ([second], True)


async def test_a_stream_tells_of_calls_and_ends_with_the_answer(
    rig: Rig, client: httpx2.AsyncClient, model: ScriptedModel
) -> None:
    def script(request: dict[str, Any]) -> Reply:
        if model.calls == 1:
            return ToolCalls((("write_file", {"path": "note.txt", "content": "x"}),))
        return "Written."

    model.script = script
    async with rig.worker():
        answer = await client.post(
            "/agents/content/chat", json={"message": "Write a note."}, headers=STREAM
        )
    assert answer.headers["content-type"].startswith("text/event-stream")
    names, told = zip(*events_of(answer.text), strict=True)
    assert names == (
        "message.started",
        "model.called",
        "tool.called",
        "model.called",
        "message.answered",
    )
    assert told[2]["name"] == "write_file"
    assert told[-1]["answer"] == "Written."
    assert told[-1]["usage"]["requests"] == 2
    assert told[0]["conversation_id"] == told[-1]["conversation_id"]
    folder = rig.settings.data / "workspaces" / "default" / told[0]["conversation_id"]
    assert (folder / "note.txt").read_text() == "x"
    gone = await client.delete(f"/agents/content/chat/{told[0]['conversation_id']}")
    assert (gone.status_code, folder.exists()) == (204, False)


async def test_agents_in_python_and_the_manager_answer_too(
    rig: Rig, client: httpx2.AsyncClient, model: ScriptedModel
) -> None:
    model.script = lambda request: "I would plan it so."
    async with rig.worker():
        echoed = await say(client, "echo", "Say it again")
        planned = await say(client, "manager", "How would you go about it?")
        failed = await say(client, "broken", "Break")
    assert json.loads(echoed["answer"])["instructions"] == "Say it again"
    assert echoed["usage"]["requests"] == 0
    assert planned["answer"] == "I would plan it so."
    assert "<agents>" in model.prompt()
    assert (failed["status"], failed["answer"]) == ("failed", None)
    assert failed["error"] == {
        "code": "permanent_failure",
        "message": "this cannot work",
        "hint": "do not try",
    }


async def test_the_offline_model_says_what_it_is(rig: Rig, client: httpx2.AsyncClient) -> None:
    async with rig.worker():
        for agent in ("research", "code", "data", "content", "manager"):
            told = await say(client, agent, "What do penguins weigh?", model="offline")
            assert "*Made offline by rules" in told["answer"], agent


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "message"),
        ({"message": ""}, "message"),
        ({"message": "  "}, "message"),
        ({"message": "x" * 20_001}, "message"),
        ({"message": "x", "stream": True}, "stream"),
        ({"message": "x", "model": "nobody:none"}, "model"),
        ({"message": "x", "document_ids": ["doc_none"]}, "document_ids[0]"),
    ],
)
async def test_a_bad_message_is_refused_with_its_place(
    client: httpx2.AsyncClient, body: dict[str, Any], place: str
) -> None:
    answer = await client.post("/agents/content/chat", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["place"] == place


async def test_nobody_elses_conversation_is_there(
    rig: Rig, app: FastAPI, client: httpx2.AsyncClient
) -> None:
    async with rig.worker():
        mine = await say(client, "echo", "Mine")
    place = f"/agents/echo/chat/{mine['conversation_id']}"
    unknown = await client.post("/agents/nobody/chat", json={"message": "x"})
    other_agent = await client.get(place.replace("echo", "content"))
    assert (unknown.status_code, other_agent.status_code) == (404, 404)
    made = {"name": "o", "workspace": "other", "scopes": ["read", "write", "execute"]}
    key = (await client.post("/keys", json=made)).json()["key"]
    reader = (await client.post("/keys", json={"name": "r", "scopes": ["read", "write"]})).json()
    body = {"message": "x", "conversation_id": mine["conversation_id"]}
    async with client_for(app, key) as other, client_for(app, reader["key"]) as weak:
        answers = [
            await other.post("/agents/echo/chat", json=body),
            await other.get(place),
            await other.post(f"{place}/cancel"),
            await other.delete(place),
        ]
        assert [one.status_code for one in answers] == [404, 404, 404, 404]
        assert (await weak.post("/agents/echo/chat", json=body)).status_code == 403
    assert (await client.get(place)).json()["messages"] == [mine]


async def test_a_repeated_post_gets_the_same_answer(
    rig: Rig, client: httpx2.AsyncClient, model: ScriptedModel
) -> None:
    headers = {"Idempotency-Key": "once"}
    body = {"message": "Say it"}
    async with rig.worker():
        first = await client.post("/agents/content/chat", json=body, headers=headers)
        second = await client.post("/agents/content/chat", json=body, headers=headers)
        streamed = await client.post(
            "/agents/content/chat", json=body, headers={**headers, **STREAM}
        )
    assert second.json() == first.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert events_of(streamed.text)[-1] == ("message.answered", first.json())
    assert model.calls == 1
    other = await client.post("/agents/content/chat", json={"message": "x"}, headers=headers)
    assert other.status_code == 422


async def test_what_does_not_fit_is_left_out_and_said_to_be(
    rig: Rig, client: httpx2.AsyncClient, model: ScriptedModel
) -> None:
    async with rig.worker():
        said = await say(client, "content", "First " + "x" * 15_000)
        conversation = {"conversation_id": said["conversation_id"]}
        for word in ("Second ", "Third "):
            said = await say(client, "content", word + "x" * 15_000, **conversation)
        assert said["left_out"] == 0
        last = await say(client, "content", "Last", **conversation)
    assert last["left_out"] == 1
    assert "The 1 oldest messages of this conversation are left out here." in model.prompt()
    assert "Second" in model.prompt()
    assert "First" not in model.prompt()


async def test_what_a_person_would_have_to_allow_is_refused(
    rig: Rig, client: httpx2.AsyncClient, model: ScriptedModel
) -> None:
    def script(request: dict[str, Any]) -> Reply:
        if model.calls == 1:
            return ToolCalls((("fetch_url", {"url": "http://made.up/?secret=1"}),))
        return "I may not."

    model.script = script
    async with rig.worker():
        told = await say(client, "research", "Look around")
    assert told["answer"] == "I may not."
    assert "a person would have to allow it" in model.prompt()
    assert (await client.get("/approvals")).json()["items"] == []
    journal = (await client.get(f"/subtasks/{told['subtask_id']}/journal")).json()["items"]
    assert [one["outcome"] for one in journal] == ["ok", "refused", "ok"]
