"""Documents go in, passages come out, against a real Chroma server."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nexus.catalogue import rows
from nexus.errors import NotFound, PermanentFailure, ServiceMissing
from nexus.memory import store, upkeep, vectors
from nexus.memory.passages import SourceDocument, Where
from tests.support.bookcase import Bookcase, open_bookcase

if TYPE_CHECKING:
    from tests.support.chroma import ChromaServer

PENGUINS = "Penguins eat krill and small fish, which they catch in the cold southern ocean."
BRIDGE = "The harbour bridge was opened in 1932 and spans 503 metres."
REFUNDS = "Customers may return goods within thirty days and receive their money back."


def text(content: str, *, name: str = "doc_1", title: str = "notes.txt") -> SourceDocument:
    return SourceDocument(name, title, "text/plain", content.encode())


async def test_a_text_is_found_by_its_meaning(memory: Bookcase, workspace: str) -> None:
    assert await memory.add(workspace, text(PENGUINS, title="birds.txt")) == 1
    await memory.add(workspace, text(BRIDGE, name="doc_2"))

    first = (await memory.search(workspace, "what do penguins feed on?"))[0]

    assert (first.text, first.document_id, first.title) == (PENGUINS, "doc_1", "birds.txt")
    assert first.locator == "line 1"
    assert 0.4 < first.score <= 1


async def test_markdown_is_located_by_section(memory: Bookcase, workspace: str) -> None:
    source = f"# Handbook\n\n## Sales\n\n### Refunds\n{REFUNDS}\n\n## Sights\n{BRIDGE}\n"
    document = SourceDocument("doc_1", "handbook.md", "text/markdown", source.encode())
    assert await memory.add(workspace, document) == 2

    found = await memory.search(workspace, "how long may I take to send an item back?")

    assert found[0].locator == "section Handbook > Sales > Refunds"
    assert REFUNDS in found[0].text


async def test_a_pdf_is_located_by_page(
    memory: Bookcase, workspace: str, write_pdf: Callable[[Sequence[str]], bytes]
) -> None:
    content = write_pdf([PENGUINS, BRIDGE, REFUNDS])
    assert await memory.add(workspace, SourceDocument("d", "all.pdf", "application/pdf", content))

    found = await memory.search(workspace, "when was the bridge built?", k=1)

    assert [(one.text, one.locator) for one in found] == [(BRIDGE, "page 2")]


async def test_a_table_is_located_by_rows_under_its_header(
    memory: Bookcase, workspace: str
) -> None:
    rows = "".join(f"Adelie,Torgersen,{38 + index / 10}\n" for index in range(45))
    source = f"species,island,bill_length_mm\n{rows}"
    document = SourceDocument("doc_1", "penguins.csv", "text/csv", source.encode())
    assert await memory.add(workspace, document) > 1

    found = await memory.search(workspace, "bill length of Adelie penguins", k=1)

    assert found[0].text.startswith("species | island | bill_length_mm\nAdelie | Torgersen")
    assert found[0].locator.startswith("rows ")


async def test_adding_again_changes_nothing(memory: Bookcase, workspace: str) -> None:
    document = text("\n\n".join((PENGUINS, BRIDGE)))
    assert await memory.add(workspace, document) == await memory.add(workspace, document)
    assert len(await memory.search(workspace, "penguins and the bridge")) == 1


async def test_a_changed_document_replaces_its_passages(memory: Bookcase, workspace: str) -> None:
    await memory.add(workspace, text(PENGUINS))
    await memory.add(workspace, text(BRIDGE))

    assert await memory.search(workspace, PENGUINS) == []
    assert [one.text for one in await memory.search(workspace, BRIDGE)] == [BRIDGE]


async def test_a_removed_document_is_gone_and_others_stay(memory: Bookcase, workspace: str) -> None:
    await memory.add(workspace, text(PENGUINS))
    await memory.add(workspace, text(f"{PENGUINS} Really.", name="doc_2"))

    await memory.remove(workspace, "doc_1")

    assert {one.document_id for one in await memory.search(workspace, PENGUINS)} == {"doc_2"}


async def test_a_search_can_be_kept_to_documents(memory: Bookcase, workspace: str) -> None:
    for name in ("doc_1", "doc_2", "doc_3"):
        await memory.add(workspace, text(PENGUINS, name=name))

    async def searched(*names: str) -> set[str]:
        found = await memory.search(workspace, PENGUINS, document_ids=names)
        return {one.document_id for one in found}

    assert await searched("doc_1", "doc_3") == {"doc_1", "doc_3"}
    assert await searched() == set()


async def test_workspaces_do_not_see_each_other(memory: Bookcase, workspace: str) -> None:
    other = f"{workspace}-other"
    await memory.add(workspace, text(PENGUINS))
    await memory.add(other, text(PENGUINS, name="doc_2"))
    assert [one.document_id for one in await memory.search(other, PENGUINS)] == ["doc_2"]
    assert await memory.search(other, PENGUINS, document_ids=["doc_1"]) == []

    with pytest.raises(NotFound):
        await memory.remove(other, "doc_1")
    await memory.remove(other, "doc_2")

    assert await memory.search(other, PENGUINS) == []
    assert len(await memory.search(workspace, PENGUINS)) == 1


async def test_installations_on_one_server_do_not_see_each_other(
    chroma: "ChromaServer", workspace: str, migrated_file: Path, tmp_path: Path
) -> None:
    async with AsyncExitStack() as opened:
        both = []
        for name in ("one", "two"):
            url = f"sqlite:///{shutil.copyfile(migrated_file, tmp_path / name)}"
            case = open_bookcase(url, tmp_path, lambda: chroma.url, installation=name)
            both.append(await opened.enter_async_context(case))
        await both[0].add(workspace, text(PENGUINS))
        await both[1].memory.audit()
        assert await both[1].search(workspace, PENGUINS) == []
        assert len(await both[0].search(workspace, PENGUINS)) == 1


async def test_many_may_add_at_once(memory: Bookcase, workspace: str) -> None:
    names = [f"doc_{number}" for number in range(8)]
    async with asyncio.TaskGroup() as group:
        staged = {
            name: group.create_task(memory.stage(workspace, text(PENGUINS, name=name)))
            for name in names
        }
    assert await memory.search(workspace, PENGUINS, k=50) == []
    for name, reading in staged.items():
        await memory.finish(workspace, name, reading.result())
    found = await memory.search(workspace, PENGUINS, k=50)
    assert sorted(one.document_id for one in found) == names


async def test_long_documents_are_replaced_and_removed_whole(
    memory: Bookcase, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, batch in (
        (store, "BATCH"),
        (store, "EMBEDDED_AT_ONCE"),
        (vectors, "DELETE_BATCH"),
        (upkeep, "BATCH"),
        (rows, "DISCARDED_AT_ONCE"),
    ):
        monkeypatch.setattr(module, batch, 3)
    earlier = "".join(f"# Penguin {number}\n{PENGUINS}\n" for number in range(10))
    later = "".join(f"# Penguin {number}\n{PENGUINS}\n" for number in range(5, 9))
    for source, count in ((earlier, 10), (later, 4)):
        document = SourceDocument("doc_1", "birds.md", "text/markdown", source.encode())
        assert await memory.add(workspace, document) == count
        found = await memory.search(workspace, "What is said of penguins?", k=50)
        assert len(found) == count
    await memory.remove(workspace, "doc_1")
    assert await memory.search(workspace, PENGUINS) == []


async def test_too_many_passages_are_refused(
    memory: Bookcase, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_PASSAGES", 1)
    with pytest.raises(PermanentFailure, match="more than the 1 passages"):
        await memory.add(workspace, SourceDocument("d", "d.md", "text/markdown", b"# A\nb\n# C\nd"))


async def test_unrelated_questions_find_nothing(memory: Bookcase, workspace: str) -> None:
    await memory.add(workspace, text(PENGUINS))
    assert await memory.search(workspace, "interest rates of central banks") == []
    assert await memory.search(workspace, " \n") == []
    assert await memory.search(f"{workspace}-unknown", PENGUINS) == []


async def test_an_unreadable_version_leaves_the_earlier_one(
    memory: Bookcase, workspace: str
) -> None:
    await memory.add(workspace, text(PENGUINS))
    with pytest.raises(PermanentFailure):
        await memory.add(workspace, text("\0\0\0"))
    assert len(await memory.search(workspace, PENGUINS)) == 1


async def test_odd_characters_do_no_harm(memory: Bookcase, workspace: str) -> None:
    await memory.add(workspace, text(f"{PENGUINS} 🐧 \u202e", title="b\udc80irds.txt"))
    assert (await memory.search(workspace, f"{PENGUINS}\udc80\0"))[0].title == "birds.txt"


async def test_a_server_that_comes_back_elsewhere_is_found(
    own_chroma: "ChromaServer", workspace: str, database_url: str, tmp_path: Path
) -> None:
    first_url = own_chroma.start()
    async with open_bookcase(database_url, tmp_path, lambda: own_chroma.url) as case:
        await case.add(workspace, text(PENGUINS))
        own_chroma.stop()
        found = await case.memory.search(Where(workspace), "penguins eat")
        assert found.by_words_alone
        assert [one.text for one in found.passages] == [PENGUINS]

        assert own_chroma.start() != first_url
        found = await case.memory.search(Where(workspace), PENGUINS)
        assert (len(found.passages), found.by_words_alone) == (1, False)
        own_chroma.stop()
        own_chroma.start()
        assert await case.add(workspace, text(BRIDGE, name="doc_2")) == 1


async def test_an_absent_server_is_named_as_missing(
    workspace: str, database_url: str, tmp_path: Path
) -> None:
    async with open_bookcase(database_url, tmp_path, lambda: None) as case:
        with pytest.raises(ServiceMissing) as refusal:
            await case.add(workspace, text(PENGUINS))
        assert "NEXUS_CHROMA_URL" in (refusal.value.hint or "")
        assert not await case.memory.ready()


async def test_readiness_follows_the_server(
    memory: Bookcase, database_url: str, tmp_path: Path
) -> None:
    assert await memory.memory.ready()
    async with open_bookcase(database_url, tmp_path, lambda: "http://127.0.0.1:1") as elsewhere:
        assert not await elsewhere.memory.ready()
