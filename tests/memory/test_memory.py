"""Documents go in, passages come out, against a real Chroma server."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from nexus.errors import PermanentFailure, ServiceMissing
from nexus.memory import store
from nexus.memory.passages import SourceDocument
from nexus.memory.store import Memory

if TYPE_CHECKING:
    from tests.support.chroma import ChromaServer

PENGUINS = "Penguins eat krill and small fish, which they catch in the cold southern ocean."
BRIDGE = "The harbour bridge was opened in 1932 and spans 503 metres."
REFUNDS = "Customers may return goods within thirty days and receive their money back."


def text(content: str, *, name: str = "doc_1", title: str = "notes.txt") -> SourceDocument:
    return SourceDocument(name, title, "text/plain", content.encode())


async def test_a_text_is_found_by_its_meaning(memory: Memory, workspace: str) -> None:
    assert await memory.add(workspace, text(PENGUINS, title="birds.txt")) == 1
    await memory.add(workspace, text(BRIDGE, name="doc_2"))

    first = (await memory.search(workspace, "what do penguins feed on?"))[0]

    assert (first.text, first.document_id, first.title) == (PENGUINS, "doc_1", "birds.txt")
    assert first.locator == "line 1"
    assert 0.4 < first.score <= 1


async def test_markdown_is_located_by_section(memory: Memory, workspace: str) -> None:
    source = f"# Handbook\n\n## Sales\n\n### Refunds\n{REFUNDS}\n\n## Sights\n{BRIDGE}\n"
    document = SourceDocument("doc_1", "handbook.md", "text/markdown", source.encode())
    assert await memory.add(workspace, document) == 2

    found = await memory.search(workspace, "how long may I take to send an item back?")

    assert found[0].locator == "section Handbook > Sales > Refunds"
    assert REFUNDS in found[0].text


async def test_a_pdf_is_located_by_page(
    memory: Memory, workspace: str, write_pdf: Callable[[Sequence[str]], bytes]
) -> None:
    content = write_pdf([PENGUINS, BRIDGE, REFUNDS])
    assert await memory.add(workspace, SourceDocument("d", "all.pdf", "application/pdf", content))

    found = await memory.search(workspace, "when was the bridge built?", k=1)

    assert [(one.text, one.locator) for one in found] == [(BRIDGE, "page 2")]


async def test_a_table_is_located_by_rows_under_its_header(memory: Memory, workspace: str) -> None:
    rows = "".join(f"Adelie,Torgersen,{38 + index / 10}\n" for index in range(45))
    source = f"species,island,bill_length_mm\n{rows}"
    document = SourceDocument("doc_1", "penguins.csv", "text/csv", source.encode())
    assert await memory.add(workspace, document) > 1

    found = await memory.search(workspace, "bill length of Adelie penguins", k=1)

    assert found[0].text.startswith("species | island | bill_length_mm\nAdelie | Torgersen")
    assert found[0].locator.startswith("rows ")


async def test_adding_again_changes_nothing(memory: Memory, workspace: str) -> None:
    document = text("\n\n".join((PENGUINS, BRIDGE)))
    assert await memory.add(workspace, document) == await memory.add(workspace, document)
    assert len(await memory.search(workspace, "penguins and the bridge")) == 1


async def test_a_changed_document_replaces_its_passages(memory: Memory, workspace: str) -> None:
    await memory.add(workspace, text(PENGUINS))
    await memory.add(workspace, text(BRIDGE))

    assert await memory.search(workspace, PENGUINS) == []
    assert [one.text for one in await memory.search(workspace, BRIDGE)] == [BRIDGE]


async def test_a_removed_document_is_gone_and_others_stay(memory: Memory, workspace: str) -> None:
    await memory.add(workspace, text(PENGUINS))
    await memory.add(workspace, text(f"{PENGUINS} Really.", name="doc_2"))

    await memory.remove(workspace, "doc_1")
    await memory.remove(workspace, "doc_never_there")

    assert {one.document_id for one in await memory.search(workspace, PENGUINS)} == {"doc_2"}


async def test_a_search_can_be_kept_to_documents(memory: Memory, workspace: str) -> None:
    for name in ("doc_1", "doc_2", "doc_3"):
        await memory.add(workspace, text(PENGUINS, name=name))

    async def searched(*names: str) -> set[str]:
        found = await memory.search(workspace, PENGUINS, document_ids=names)
        return {one.document_id for one in found}

    assert await searched("doc_1", "doc_3") == {"doc_1", "doc_3"}
    assert await searched() == set()


async def test_workspaces_do_not_see_each_other(memory: Memory, workspace: str) -> None:
    other = f"{workspace}-other"
    await memory.add(workspace, text(PENGUINS))
    await memory.add(other, text(PENGUINS))

    await memory.remove(other, "doc_1")

    assert await memory.search(other, PENGUINS) == []
    assert len(await memory.search(workspace, PENGUINS)) == 1


async def test_installations_on_one_server_do_not_see_each_other(
    chroma: "ChromaServer", workspace: str
) -> None:
    one = Memory(lambda: chroma.url, installation="one")
    two = Memory(lambda: chroma.url, installation="two")
    await one.add(workspace, text(PENGUINS))
    assert await two.search(workspace, PENGUINS) == []
    assert len(await one.search(workspace, PENGUINS)) == 1
    await one.close()
    await two.close()


async def test_many_may_add_at_once(memory: Memory, workspace: str) -> None:
    names = [f"doc_{number}" for number in range(8)]
    async with asyncio.TaskGroup() as group:
        for name in names * 2:
            group.create_task(memory.add(workspace, text(PENGUINS, name=name)))
    found = await memory.search(workspace, PENGUINS, k=50)
    assert sorted(one.document_id for one in found) == names


async def test_long_documents_are_replaced_and_removed_whole(
    memory: Memory, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for batch in ("IDS_PAGE", "EMBED_BATCH", "DELETE_BATCH"):
        monkeypatch.setattr(store, batch, 3)
    earlier = "".join(f"# Penguin {number}\n{PENGUINS}\n" for number in range(10))
    later = "".join(f"# Penguin {number}\n{PENGUINS}\n" for number in range(5, 9))
    for source, count in ((earlier, 10), (later, 4)):
        document = SourceDocument("doc_1", "birds.md", "text/markdown", source.encode())
        assert await memory.add(workspace, document) == count
        assert len(await memory.search(workspace, PENGUINS, k=50)) == count
    await memory.remove(workspace, "doc_1")
    assert await memory.search(workspace, PENGUINS) == []


async def test_too_many_passages_are_refused(
    memory: Memory, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_PASSAGES", 1)
    with pytest.raises(PermanentFailure, match="2 passages, more than the 1"):
        await memory.add(workspace, SourceDocument("d", "d.md", "text/markdown", b"# A\nb\n# C\nd"))


async def test_unrelated_questions_find_nothing(memory: Memory, workspace: str) -> None:
    await memory.add(workspace, text(PENGUINS))
    assert await memory.search(workspace, "interest rates of central banks") == []
    assert await memory.search(workspace, " \n") == []
    assert await memory.search(f"{workspace}-unknown", PENGUINS) == []


async def test_an_unreadable_version_leaves_the_earlier_one(memory: Memory, workspace: str) -> None:
    await memory.add(workspace, text(PENGUINS))
    with pytest.raises(PermanentFailure):
        await memory.add(workspace, text("\0\0\0"))
    assert len(await memory.search(workspace, PENGUINS)) == 1


async def test_odd_characters_do_no_harm(memory: Memory, workspace: str) -> None:
    await memory.add(workspace, text(f"{PENGUINS} 🐧 \u202e", title="b\udc80irds.txt"))
    assert (await memory.search(workspace, f"{PENGUINS}\udc80\0"))[0].title == "birds.txt"


async def test_a_server_that_comes_back_elsewhere_is_found(
    own_chroma: "ChromaServer", workspace: str
) -> None:
    first_url = own_chroma.start()
    memory = Memory(lambda: own_chroma.url)
    await memory.add(workspace, text(PENGUINS))
    own_chroma.stop()
    with pytest.raises(ServiceMissing, match=first_url):
        await memory.search(workspace, PENGUINS)

    assert own_chroma.start() != first_url
    assert len(await memory.search(workspace, PENGUINS)) == 1
    own_chroma.stop()
    own_chroma.start()
    assert await memory.add(workspace, text(BRIDGE, name="doc_2")) == 1
    await memory.close()


async def test_an_absent_server_is_named_as_missing(workspace: str) -> None:
    memory = Memory(lambda: None)
    with pytest.raises(ServiceMissing) as refusal:
        await memory.add(workspace, text(PENGUINS))
    assert "NEXUS_CHROMA_URL" in (refusal.value.hint or "")
    assert not await memory.ready()
    await memory.close()


async def test_readiness_follows_the_server(chroma: "ChromaServer") -> None:
    here, elsewhere = Memory(lambda: chroma.url), Memory(lambda: "http://127.0.0.1:1")
    assert await here.ready()
    assert not await elsewhere.ready()
