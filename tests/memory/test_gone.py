"""Of what Chroma names the best is read; what it still has of deleted passages takes no place."""

from collections.abc import Sequence

import pytest

from nexus.memory.passages import DOCUMENTS, Kept, SourceDocument, Space
from nexus.memory.shortlist import COPIES
from tests.support.bookcase import Bookcase

GONE = 20
TOPICS = ("penguins", "bridges", "krill", "islands", "storms", "ships")
ASKED = "What does report 7 of the station speak of?"
RARE = "\n# 1000\nThe station saw an albatross."


def notes(count: int) -> SourceDocument:
    lines = (
        f"# {number}\nReport {number} of the station speaks of {TOPICS[number % len(TOPICS)]}."
        for number in range(count)
    )
    return SourceDocument(
        "doc_1", "reports.md", "text/markdown", ("\n".join(lines) + RARE).encode()
    )


@pytest.mark.parametrize("question", [ASKED, "zxqvw blorf"])
async def test_a_search_finds_what_it_found_before(
    memory: Bookcase, workspace: str, question: str
) -> None:
    await memory.add(workspace, notes(12))
    before = await memory.search(workspace, question, k=5)
    assert bool(before) == (question == ASKED)

    vector = await memory.memory._embedder.embed([question])
    space = Space(workspace, DOCUMENTS, memory.memory.embedding)
    ids = [f"psg_{number}" for number in range(GONE)]
    await memory.memory._vectors.put(space, "doc_9", ids, vector.repeat(GONE, axis=0))

    assert await memory.search(workspace, question, k=5) == before


async def test_no_more_is_read_than_may_be_shown(
    memory: Bookcase, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await memory.add(workspace, notes(120))
    read, asked = memory.catalogue.read, list[Sequence[str]]()

    async def hear(workspace: str, passage_ids: Sequence[str]) -> dict[str, Kept]:
        asked.append(passage_ids)
        return await read(workspace, passage_ids)

    monkeypatch.setattr(memory.catalogue, "read", hear)
    assert (
        len(await memory.search(workspace, "an albatross seen by those who write reports", k=4))
        == 4
    )
    assert sum(map(len, asked)) <= 4 + COPIES


async def test_many_copies_of_the_best_leave_room_for_what_is_new(
    memory: Bookcase, workspace: str
) -> None:
    same = "Penguins of the station breed on the western shore."
    copies = "\n".join(f"# Colony\n{same}" for _ in range(3 * COPIES))
    other = "# Elsewhere\nAll penguins that were counted in spring breed on land."
    source = SourceDocument("doc_1", "c.md", "text/markdown", f"{copies}\n{other}".encode())
    await memory.add(workspace, source)

    found = await memory.search(workspace, "penguins of the station on the western shore", k=2)
    assert [same in one.text for one in found] == [True, False]
