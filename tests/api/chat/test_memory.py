"""An agent spoken to finds what the documents of the workspace say, and nobody else's."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from tests.api.chat.talking import say
from tests.api.client import client_for
from tests.scripted_model import ScriptedModel
from tests.support.chroma import ChromaServer
from tests.support.rig import Rig, open_rig
from tests.support.waiting import until

PENGUINS = "# Weights\n\nAn Adelie penguin weighs 3.7 kg; an emperor penguin weighs 30 kg.\n"


@pytest.fixture(scope="module")
def chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaServer]:
    server = ChromaServer(tmp_path_factory.mktemp("chroma"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def rig(
    tmp_path: Path, redis_url: str, model: ScriptedModel, chroma: ChromaServer
) -> AsyncIterator[Rig]:
    async with open_rig(
        tmp_path,
        redis_url=redis_url,
        chroma_url=chroma.url,
        model="openai:any",
        openai_base_url=model.base_url,
    ) as opened:
        yield opened


async def upload(client: httpx2.AsyncClient, text: str) -> str:
    """Put a text in memory and wait until it can be searched; return its id."""
    files = {"file": ("penguins.md", text, "text/markdown")}
    made: str = (await client.post("/documents", files=files)).json()["id"]

    async def is_ready() -> bool:
        return bool((await client.get(f"/documents/{made}")).json()["status"] == "ready")

    await until(is_ready, timeout=30)
    return made


async def test_the_documents_are_at_hand(
    rig: Rig, client: httpx2.AsyncClient, model: ScriptedModel
) -> None:
    question = "What does an Adelie penguin weigh?"
    async with rig.worker():
        document = await upload(client, PENGUINS)
        await say(client, "content", question)
        quoted = await say(client, "research", question, model="offline")
        checked = await say(client, "qa", question, model="offline")
        await say(client, "content", question, document_ids=[])
    assert "weighs 3.7 kg" in model.prompt(0)
    assert f"id: {document}" in model.prompt(0)
    assert all("3.7 kg" in one["answer"] for one in (quoted, checked))
    assert "3.7 kg" not in model.prompt(1)


async def test_another_workspaces_documents_are_not(
    rig: Rig, app: FastAPI, client: httpx2.AsyncClient, model: ScriptedModel
) -> None:
    made = {"name": "o", "workspace": "other", "scopes": ["read", "write", "execute"]}
    key = (await client.post("/keys", json=made)).json()["key"]
    async with rig.worker(), client_for(app, key) as other:
        await upload(client, PENGUINS)
        await say(other, "content", "What does an Adelie penguin weigh?")
    assert "3.7 kg" not in model.prompt()
    assert "documents" not in model.prompt().partition("<message>")[2]
