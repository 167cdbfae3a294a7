"""A search goes from what it found to the documents of that, however many others there are."""

from collections.abc import Sequence

import pytest

from nexus.memory.passages import SourceDocument
from nexus.models.address import Dialect
from nexus.models.writing import Query, Row, Transaction
from tests.support.bookcase import Bookcase

OTHERS = 100
TIDES = "Tides rise and fall twice a day. A tide table says when. Tides follow the moon."
MOON = "The moon has no air. Whoever walks there sees a black sky at noon."


def crowd(workspace: str) -> Transaction[None]:
    """Fill the workspace with documents that have nothing to do with a search."""
    yield Query(
        "INSERT INTO documents (id, workspace, shelf, title, source, media_type, bytes, sha256, "
        "status, passages, edition, coming, embedding, created_at) "
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2) "
        "SELECT 'doc_other' || i, $1, 'documents', 'other', 'other', 'text/plain', 1, "
        "'other' || i, 'ready', 1, 1, 1, '', 1 FROM n",
        (workspace, OTHERS),
    )
    yield Query("ANALYZE documents")


async def test_a_search_reads_no_other_documents(
    memory: Bookcase, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in (("doc_1", TIDES), ("doc_2", MOON)):
        await memory.add(workspace, SourceDocument(name, name, "text/plain", content.encode()))
    await memory.database.run(lambda: crowd(workspace))
    ask, heard = memory.database.ask, list[Query]()

    async def hear(*questions: Query) -> list[Sequence[Row]]:
        heard.extend(questions)
        return await ask(*questions)

    monkeypatch.setattr(memory.database, "ask", hear)
    assert await memory.search(workspace, "when do tides rise?")
    asked = [one for one in heard if "JOIN" in one.sql]
    assert len(asked) >= 2

    on_sqlite = memory.database.address.dialect is Dialect.SQLITE
    explain = "EXPLAIN QUERY PLAN " if on_sqlite else "EXPLAIN "
    for one in asked:
        (rows,) = await ask(Query(explain + one.sql, one.values))
        plan = "\n".join(str(row[-1]) for row in rows)
        assert ("SEARCH d " if on_sqlite else "using pk_documents") in plan, plan
        assert "Seq Scan" not in plan, plan
