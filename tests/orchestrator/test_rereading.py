"""Another embedding model: documents get new vectors in the background, spaces are never mixed."""

import asyncio
import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nexus.memory.passages import DOCUMENTS, Space, Where
from nexus.models.writing import Query
from nexus.orchestrator import tending
from nexus.orchestrator.documents import NewDocument
from tests.scripted_model import Raw, ScriptedModel
from tests.scripted_vectors import embeddings
from tests.support.chroma import ChromaServer
from tests.support.rig import WORKSPACE, Rig, open_rig
from tests.support.waiting import until

TEXTS = {
    "birds": "Penguins eat krill.",
    "bridge": "The bridge is long.",
    "tax": "Tax is due in May.",
}


def directions(request: dict[str, Any]) -> Raw:
    """Point texts that share a word the same way."""

    def direction(text: str) -> list[float]:
        found = [0.01] * 64
        for word in text.lower().replace(".", "").split():
            found[hashlib.sha256(word.encode()).digest()[0] % 64] += 1.0
        return found

    return embeddings([direction(text) for text in request["input"]])


async def add(rig: Rig, *names: str) -> None:
    engine = rig.parts.engine
    for name in names:
        content = TEXTS[name].encode()
        digest = hashlib.sha256(content).hexdigest()
        new = NewDocument(WORKSPACE, f"{name}.txt", "text/plain", content, digest, name)
        await engine.run(partial(engine.add_document, new=new))


async def embedded_by(rig: Rig) -> list[tuple[str, str]]:
    (rows,) = await rig.parts.database.ask(
        Query("SELECT embedding, status FROM documents ORDER BY id")
    )
    return [tuple(row) for row in rows]


async def found(rig: Rig, question: str) -> list[str]:
    passages = (await rig.parts.memory.search(Where(WORKSPACE), question)).passages
    return [one.text for one in passages]


async def test_another_model_takes_over_without_mixing_its_vectors_with_the_old_ones(
    tmp_path: Path, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tending, "TIDY_SECONDS", 0.05)
    chroma = ChromaServer(tmp_path / "chroma")
    allowed = asyncio.Event()

    async def say(request: dict[str, Any]) -> Raw:
        if request["input"][0] in TEXTS.values():
            await allowed.wait()
        return directions(request)

    common = {"database_url": database_url, "redis_url": redis_url, "chroma_url": chroma.start()}
    try:
        async with open_rig(tmp_path, **common) as rig, rig.worker():
            await add(rig, "birds", "bridge")
            old = rig.parts.memory.embedding
            await until(lambda: is_by(rig, old, 2))
        async with ScriptedModel(say) as server:
            settings = {"embedding_model": "openai:tiny", "openai_base_url": server.base_url}
            async with open_rig(tmp_path, **common, **settings) as rig, rig.worker():
                await add(rig, "tax")
                await server.wait_for_calls(1)
                assert await found(rig, "What do seabirds feed on?") == [TEXTS["birds"]]
                allowed.set()
                await until(lambda: is_by(rig, "openai:tiny", 3))
                assert await found(rig, "krill") == [TEXTS["birds"]]
                vectors = rig.parts.memory._vectors
                spaces = [Space(WORKSPACE, DOCUMENTS, name) for name in (old, "openai:tiny")]

                async def is_moved() -> bool:
                    return [await vectors.count(space) for space in spaces] == [0, 3]

                await until(is_moved)
                assert await rig.parts.memory.audit() == 0
    finally:
        chroma.stop()


async def is_by(rig: Rig, embedding: str, count: int) -> bool:
    return await embedded_by(rig) == [(embedding, "ready")] * count
