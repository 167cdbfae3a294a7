"""Two tenants with the same question: no passage crosses, on any endpoint and with any tool."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from nexus.tools.equipment import build_equipment
from nexus.tools.registry import tools
from nexus.tools.scope import ToolScope
from tests.api.chat.talking import serving, speaking
from tests.api.client import client_for
from tests.scripted_model import Reply, ScriptedModel, ToolCalls
from tests.support.chroma import ChromaServer
from tests.support.rig import Rig, open_rig
from tests.support.waiting import until

SCOPES = ["read", "write", "execute"]
QUESTION = "What does the harbour bridge cost?"
TEXTS = {
    "default": "The harbour bridge costs 1111 thalers.",
    "other": "The harbour bridge costs 2222 thalers.",
}
FIGURES = {"default": "1111", "other": "2222"}


def nosy(request: dict[str, Any]) -> Reply:
    """Search the memory and tell everything that was ever shown."""
    messages = request["messages"]
    if not any(message["role"] == "tool" for message in messages):
        return ToolCalls((("search_memory", {"query": QUESTION}),))
    return f"I was shown: {json.dumps(messages)}"


@pytest.fixture
async def rig(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Rig]:
    chroma = ChromaServer(tmp_path / "chroma")
    places = {"database_url": database_url, "redis_url": redis_url, "chroma_url": chroma.start()}
    async with ScriptedModel(nosy) as model:
        told = {"model": "openai:any", "openai_base_url": model.base_url}
        async with open_rig(tmp_path, **places, **told) as opened:
            yield opened
    chroma.stop()


async def _add(client: httpx2.AsyncClient, text: str) -> str:
    """Add a document and wait until it is ready; both tenants call theirs the same."""
    answer = await client.post("/documents", files={"file": ("bridge.txt", text.encode())})
    document_id: str = answer.json()["id"]

    async def is_ready() -> bool:
        shown = (await client.get(f"/documents/{document_id}")).json()
        return bool(shown["status"] == "ready")

    await until(is_ready, timeout=30)
    return document_id


async def _everything(client: httpx2.AsyncClient, foreign: str) -> str:
    """Ask every endpoint that could show a passage, the other tenant's document named too."""
    heard: list[str] = []
    for chosen in (None, {"document_ids": [foreign]}):
        body = {"query": QUESTION, "k": 50, "filter": chosen}
        heard.append((await client.post("/memory/search", json=body)).text)
    heard.append((await client.get("/documents")).text)
    chat = {"message": QUESTION}
    heard.append((await client.post("/agents/research/chat", json=chat, timeout=30)).text)
    tried = await client.post("/agents/research/chat", json={**chat, "document_ids": [foreign]})
    heard.append(tried.text)
    task = {"key": "t", "title": "Bridge", "agent": "research", "instructions": QUESTION}
    plan = {"phases": [{"key": "p", "title": "P", "tasks": [task]}]}
    body = {"goal": QUESTION, "plan": plan, "auto_execute": True}
    project = (await client.post("/projects", json=body)).json()["id"]

    async def is_over() -> bool:
        return bool((await client.get(f"/projects/{project}")).json()["status"] == "succeeded")

    await until(is_over, timeout=30)
    for what in ("deliverable", "events", "tasks"):
        heard.append((await client.get(f"/projects/{project}/{what}")).text)
    tasks = (await client.get(f"/projects/{project}/tasks")).json()["items"]
    for subtask in (await client.get(f"/tasks/{tasks[0]['id']}/subtasks")).json()["items"]:
        heard.append((await client.get(f"/subtasks/{subtask['id']}/journal")).text)
    refused = await client.post("/projects", json={**body, "document_ids": [foreign]})
    assert refused.status_code == 422
    return "\n".join(heard)


async def test_no_passage_crosses(rig: Rig) -> None:
    async with serving(rig) as app, speaking(rig, app) as default, rig.worker():
        made = {"name": "theirs", "workspace": "other", "scopes": SCOPES}
        key = (await default.post("/keys", json=made)).json()["key"]
        async with client_for(app, key) as other:
            tenants = {"default": default, "other": other}
            documents = {name: await _add(tenants[name], text) for name, text in TEXTS.items()}
            assert len(set(documents.values())) == 2
            for own, foreign in (("default", "other"), ("other", "default")):
                heard = await _everything(tenants[own], documents[foreign])
                assert FIGURES[own] in heard
                assert FIGURES[foreign] not in heard
                equipment = await build_equipment(rig.settings, rig.parts.memory)
                for chosen in (None, (documents[foreign],), tuple(documents.values())):
                    scope = ToolScope(own, "prj_x", rig.folder, chosen, equipment)
                    found = await tools()["search_memory"].call(scope, {"query": QUESTION}, "k")
                    assert FIGURES[foreign] not in json.dumps(found)
                await equipment.close()
