"""What Chroma loses comes back from the catalogue, and what the catalogue has not leaves Chroma."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nexus.domain.seam import Json
from nexus.memory.catalogue import Census
from nexus.memory.passages import DOCUMENTS, SourceDocument, Space, Where
from nexus.memory.upkeep import CLOSE_EVERY, COMPARED_MOST
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.documents import finish_document, remove_document
from tests.support.bookcase import Bookcase, open_bookcase

if TYPE_CHECKING:
    from nexus.memory.vectors import Vectors
    from tests.support.chroma import ChromaServer

LINES = [f"Penguin number {number} lives on island {number * 7}." for number in range(12)]


def birds(*, name: str = "doc_1", lines: list[str] = LINES) -> SourceDocument:
    text = "\n".join(f"# {number}\n{line}" for number, line in enumerate(lines))
    return SourceDocument(name, "birds.md", "text/markdown", text.encode())


def space_of(case: Bookcase, workspace: str) -> Space:
    return Space(workspace, DOCUMENTS, case.memory.embedding)


@pytest.fixture
def stored(memory: Bookcase) -> "Vectors":
    vectors: Vectors = memory.memory._vectors
    return vectors


async def test_what_chroma_lost_is_put_back_without_embedding_it_again(
    own_chroma: "ChromaServer",
    workspace: str,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own_chroma.start()
    async with open_bookcase(database_url, tmp_path, lambda: own_chroma.url) as case:
        await case.add(workspace, birds())
        assert await case.memory.audit() == 0
        own_chroma.stop()
        own_chroma.forget()
        own_chroma.start()
        monkeypatch.setattr(case.memory._embedder, "embed", None)
        assert await case.memory.audit() == len(LINES)
        assert await case.memory.audit() == 0
        vectors = case.memory._vectors
        assert await vectors.count(space_of(case, workspace)) == len(LINES)


async def test_what_only_chroma_has_is_removed(
    memory: Bookcase, stored: "Vectors", workspace: str
) -> None:
    await memory.add(workspace, birds())
    space = space_of(memory, workspace)
    strange = np.ones((13, 384), dtype=np.float32)
    await stored.put(space, "doc_9", [f"psg_{number}" for number in range(13)], strange)
    assert await memory.memory.audit() == 13
    assert await stored.count(space) == len(LINES)


async def test_a_hole_beside_an_orphan_is_found_by_every_tenth_audit(
    memory: Bookcase, stored: "Vectors", workspace: str
) -> None:
    await memory.add(workspace, birds())
    space = space_of(memory, workspace)
    before = set(await stored.page(space, 0))
    await stored.drop(space, sorted(before)[:1])
    await stored.put(space, "doc_9", ["psg_strange"], np.ones((1, 384), dtype=np.float32))
    differed = [await memory.memory.audit() for _ in range(CLOSE_EVERY)]
    assert differed == [0] * (CLOSE_EVERY - 1) + [2]
    assert set(await stored.page(space, 0)) == before


async def test_a_space_that_has_no_passages_any_more_is_looked_at(
    memory: Bookcase, stored: "Vectors", workspace: str
) -> None:
    await memory.add(workspace, birds())
    await memory.add(workspace, birds(name="doc_2"))
    await memory.remove(workspace, "doc_1")
    await memory.remove(workspace, "doc_2")
    space = space_of(memory, workspace)
    strange = np.ones((1, 384), dtype=np.float32)
    await stored.put(space, "doc_9", ["psg_strange"], strange)

    def join() -> Transaction[None]:
        yield Query(
            "INSERT INTO api_keys (id, workspace, name, prefix, hash, scopes, created_at) "
            "VALUES ('key_1', $1, 'a', 'p', 'h', '[]', 0)",
            (workspace,),
        )

    await memory.database.run(join)
    assert await memory.memory.audit() == 1
    assert await stored.count(space) == 0


def test_spaces_are_compared_in_turn(memory: Bookcase) -> None:
    upkeep = memory.memory._upkeep
    spaces = [Space("ws", "documents", name) for name in "abc"]
    known = [Census(space, 0, COMPARED_MOST * 2 // 3) for space in spaces]
    turns = [upkeep._next_in_turn(known) for _ in range(4)]
    assert turns == [spaces[:1], spaces[1:2], spaces[2:], spaces[:1]]


async def test_an_edition_is_seen_when_it_is_whole_and_not_before(
    memory: Bookcase, workspace: str
) -> None:
    await memory.add(workspace, birds(lines=["Old penguins sleep."]))
    reading = await memory.stage(workspace, birds(lines=["New penguins swim."]))
    await memory.memory.audit()

    async def seen() -> list[str]:
        found = await memory.memory.search(Where(workspace), "What do penguins do?")
        return [one.text.splitlines()[-1] for one in found.passages]

    assert await seen() == ["Old penguins sleep."]
    await memory.finish(workspace, "doc_1", reading)
    assert await seen() == ["New penguins swim."]
    await memory.memory.tidy()
    assert await memory.memory.audit() == 0
    assert await memory.memory._vectors.count(space_of(memory, workspace)) == 1


async def test_an_edition_that_was_given_up_leaves_nothing(
    memory: Bookcase, stored: "Vectors", workspace: str
) -> None:
    await memory.stage(workspace, birds())
    error: dict[str, Json] = {"code": "document_unreadable"}
    await memory.database.run(lambda: finish_document(workspace, "doc_1", None, error))
    await memory.memory.tidy()
    assert await memory.catalogue.census() == []
    assert await stored.count(space_of(memory, workspace)) == 0


async def test_removed_documents_are_gone_at_once_and_for_good_once_chroma_is_back(
    own_chroma: "ChromaServer", workspace: str, database_url: str, tmp_path: Path
) -> None:
    own_chroma.start()
    async with open_bookcase(database_url, tmp_path, lambda: own_chroma.url) as case:
        await case.add(workspace, birds())
        await case.add(workspace, birds(name="doc_2", lines=["Bridges are long."]))
        own_chroma.stop()
        await case.database.run(lambda: remove_document(workspace, "doc_1"))
        assert not (await case.memory.search(Where(workspace), "Penguin number 3")).passages
        own_chroma.start()
        await case.memory.tidy()
        assert await case.memory._vectors.count(space_of(case, workspace)) == 1
        assert await case.memory.audit() == 0


async def test_lines_known_already_are_not_embedded_again(
    memory: Bookcase, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await memory.add(workspace, birds())
    asked: list[str] = []
    embed = memory.memory._embedder.embed

    async def counted(texts: list[str]) -> object:
        asked.extend(texts)
        return await embed(texts)

    monkeypatch.setattr(memory.memory._embedder, "embed", counted)
    await memory.add(workspace, birds(lines=[*LINES[:3], "Something new.", *LINES[4:]]))
    assert [text.splitlines()[-1] for text in asked] == ["Something new."]
