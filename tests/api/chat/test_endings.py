"""How answers and conversations end: stopped, removed, old, and when a worker dies."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from nexus.models.work import JournalRecord, Subtask
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.chatting import KEPT_US, forget_conversations
from nexus.routers import chats
from tests.api.chat.talking import events_of, say
from tests.scripted_model import Reply, ScriptedModel, ToolCalls
from tests.support.databases import ON_POSTGRESQL, ON_SQLITE
from tests.support.rig import Rig
from tests.support.waiting import until

STREAM = {"Accept": "text/event-stream"}


async def test_one_message_at_a_time_which_can_be_stopped(
    rig: Rig, client: httpx2.AsyncClient, model: ScriptedModel
) -> None:
    never = asyncio.Event()

    async def script(request: dict[str, Any]) -> Reply:
        if model.calls == 1:
            await never.wait()
        return "Now."

    model.script = script
    async with rig.worker():
        speaking = asyncio.create_task(say(client, "content", "Think long"))
        await model.wait_for_calls(1)
        async with rig.parts.database.read() as session:
            chat = (await session.execute(select(Subtask))).scalar_one()
        assert (chat.kind, chat.priority, chat.project_id) == ("chat", 0, None)
        rows = await rig.parts.database.ask(Query("SELECT conversation_id FROM messages"))
        conversation = rows[0][0][0]
        place = f"/agents/content/chat/{conversation}"
        again = {"message": "Well?", "conversation_id": conversation}
        refused = await client.post("/agents/content/chat", json=again)
        assert (refused.status_code, refused.json()["code"]) == (409, "message_under_way")
        stopped = await client.post(f"{place}/cancel")
        assert (stopped.status_code, stopped.json()["status"]) == (202, "cancelled")
        async with asyncio.timeout(5):
            await model.wait_for_none_open()
            assert (await speaking)["status"] == "cancelled"
        assert (await client.post(f"{place}/cancel")).json()["code"] == "nothing_under_way"
        after = await say(client, "content", "And now?", conversation_id=conversation)
    assert (after["answer"], after["number"]) == ("Now.", 2)
    assert "Think long" not in model.prompt()


async def test_a_conversation_that_goes_while_it_is_answered_ends_its_stream(
    rig: Rig, client: httpx2.AsyncClient, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chats, "HEARTBEAT_SECONDS", 0.0)
    never = asyncio.Event()

    async def script(request: dict[str, Any]) -> Reply:
        await never.wait()
        return "never"

    model.script = script
    async with rig.worker():
        speaking = asyncio.create_task(
            client.post("/agents/content/chat", json={"message": "Think"}, headers=STREAM)
        )
        await model.wait_for_calls(1)
        rows = await rig.parts.database.ask(Query("SELECT conversation_id FROM messages"))
        gone = await client.delete(f"/agents/content/chat/{rows[0][0][0]}")
        assert gone.status_code == 204
        async with asyncio.timeout(5):
            text = (await speaking).text
            await model.wait_for_none_open()
    assert [name for name, _ in events_of(text)] == ["message.started", "message.cancelled"]
    assert ": still here\n\n" in text


@ON_POSTGRESQL
async def test_an_answer_survives_its_worker(
    rig: Rig, client: httpx2.AsyncClient, model: ScriptedModel, tmp_path: Path
) -> None:
    gate = asyncio.Event()

    async def script(request: dict[str, Any]) -> Reply:
        if model.calls == 1:
            return ToolCalls((("tally", {"file": str(tmp_path / "count")}),))
        if model.calls == 2:
            await gate.wait()
        return "After all."

    model.script = script
    worker = rig.worker_process()
    speaking = asyncio.create_task(say(client, "content", "Count"))
    await model.wait_for_calls(2)

    async def recorded() -> bool:
        async with rig.parts.database.read() as session:
            rows = await session.execute(select(JournalRecord.status))
            return sorted(rows.scalars()) == ["begun", "recorded", "recorded"]

    await until(recorded, timeout=20)
    worker.kill()
    worker.wait(10)
    rig.worker_process()
    told = await speaking
    assert (told["status"], told["answer"], told["attempt"]) == ("succeeded", "After all.", 2)
    assert model.calls == 3
    assert (tmp_path / "count").read_text() == "1"


async def test_old_conversations_go(rig: Rig, client: httpx2.AsyncClient) -> None:
    async with rig.worker():
        old = await say(client, "echo", "Old")
        new = await say(client, "echo", "New")

    def grow_old() -> Transaction[None]:
        yield Query(
            "UPDATE conversations SET updated_at = updated_at - $2 WHERE id = $1",
            (old["conversation_id"], KEPT_US),
        )

    await rig.parts.database.run(grow_old)
    assert await rig.parts.engine.run(forget_conversations) == 1
    assert await rig.parts.engine.run(forget_conversations) == 0
    gone = await client.get(f"/agents/echo/chat/{old['conversation_id']}")
    kept = await client.get(f"/agents/echo/chat/{new['conversation_id']}")
    assert (gone.status_code, kept.status_code) == (404, 200)
    tables = ("messages", "subtasks", "conversations")
    counted = [Query(f"SELECT count(*) FROM {table}") for table in tables]
    assert [rows[0][0] for rows in await rig.parts.database.ask(*counted)] == [1, 1, 1]


@ON_SQLITE
async def test_an_unsafe_call_that_was_interrupted_is_not_made_again(
    rig: Rig, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    worker = rig.worker_process()
    told = asyncio.create_task(say(client, "sender", json.dumps({"folder": str(tmp_path)})))
    await until((tmp_path / "keys").exists, timeout=20)
    worker.kill()
    worker.wait(10)
    rig.worker_process()
    answer = await told
    assert answer["status"] == "succeeded"
    assert "in a conversation it is not made again" in answer["answer"]
    assert (await client.get("/approvals")).json()["items"] == []
