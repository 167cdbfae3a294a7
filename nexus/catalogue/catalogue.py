"""The catalogue of one database: what memory reads of passages, and how it keeps and forgets."""

import json
from collections import defaultdict
from collections.abc import Sequence

from nexus.catalogue.entries import keep_entry
from nexus.catalogue.rows import discard_unseen
from nexus.catalogue.shown import SHOWN, kept_of
from nexus.catalogue.words import Words
from nexus.memory.catalogue import Census, Extent, Matches, Origin, Prepared
from nexus.memory.passages import Kept, Space, Where
from nexus.models.address import Dialect
from nexus.models.database import Database
from nexus.models.writing import Query, Transaction

_SEEN = "JOIN documents d ON d.id = p.document_id AND d.edition = p.edition"
# Passages first, then the document of each: both planners would rather go through all the
# workspace has. OFFSET 0 keeps PostgreSQL from turning it around.
_READ = {
    Dialect.SQLITE: f"SELECT {SHOWN} FROM passages p CROSS JOIN documents d WHERE p.id IN JSON($2) "
    "AND d.id = p.document_id AND d.edition = p.edition AND d.workspace || '' = $1",
    Dialect.POSTGRESQL: "WITH p AS MATERIALIZED (SELECT id, document_id, edition, locator, "
    "heading, text, tokens, embedding, vector FROM passages WHERE id IN JSON($2)) "
    f"SELECT {SHOWN} FROM p CROSS JOIN LATERAL (SELECT title, created_at, edition, workspace "
    "FROM documents WHERE id = p.document_id OFFSET 0) d "
    "WHERE d.edition = p.edition AND d.workspace = $1",
}


class SqlCatalogue:
    """Keeps `Catalogue`, on either database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._words = Words(database)

    async def extent(self, where: Where) -> Extent:
        sql, values = _documents_in(where)
        (rows,) = await self._database.ask(Query(sql, tuple(values)))
        return Extent(tuple(row[0] for row in rows), sum(row[1] for row in rows))

    async def find_words(
        self, where: Where, terms: Sequence[str], extent: Extent | None, most: int
    ) -> Matches:
        chosen = None if extent is None else extent.document_ids
        return await self._words.find(where, terms, chosen, most)

    async def vectors(self, where: Where, extent: Extent) -> list[tuple[str, str, bytes]]:
        (rows,) = await self._database.ask(
            Query(
                f"SELECT p.id, p.embedding, p.vector FROM passages p {_SEEN} "
                "WHERE d.workspace = $1 AND p.document_id IN JSON($2)",
                (where.workspace, json.dumps(extent.document_ids)),
            )
        )
        return [(row[0], row[1], bytes(row[2])) for row in rows]

    async def read(self, workspace: str, passage_ids: Sequence[str]) -> dict[str, Kept]:
        sql = _READ[self._database.address.dialect]
        (rows,) = await self._database.ask(Query(sql, (workspace, json.dumps([*passage_ids]))))
        return {row[0]: kept_of(row) for row in rows}

    async def embeddings(self, workspace: str, shelf: str) -> list[str]:
        (rows,) = await self._database.ask(
            Query(
                "SELECT embedding FROM documents WHERE workspace = $1 AND shelf = $2 "
                "AND edition > 0 GROUP BY embedding ORDER BY embedding",
                (workspace, shelf),
            )
        )
        return [row[0] for row in rows]

    async def origins(self, workspace: str, memory_ids: Sequence[str]) -> dict[str, Origin]:
        (rows,) = await self._database.ask(
            Query(
                "SELECT id, kind, trust FROM memories WHERE workspace = $1 AND id IN JSON($2)",
                (workspace, json.dumps([*memory_ids])),
            )
        )
        return {row[0]: Origin(row[1], row[2]) for row in rows}

    async def text_of(self, workspace: str, entry_id: str) -> str:
        (rows,) = await self._database.ask(
            Query(
                "SELECT content FROM document_contents WHERE document_id = $1 AND workspace = $2",
                (entry_id, workspace),
            )
        )
        return bytes(rows[0][0]).decode("utf-8", "replace") if rows else ""

    async def keep(self, made: Prepared) -> None:
        await self._database.run(lambda: keep_entry(made))

    async def discard(self, document_ids: Sequence[str]) -> None:
        await self._database.run(lambda: discard_unseen(document_ids))

    async def untidy(self, most: int) -> list[str]:
        (rows,) = await self._database.ask(
            Query("SELECT document_id FROM untidy_documents ORDER BY document_id LIMIT $1", (most,))
        )
        return [row[0] for row in rows]

    async def forgotten(self, most: int) -> dict[Space, list[str]]:
        (rows,) = await self._database.ask(
            Query(
                "SELECT workspace, shelf, embedding, id FROM forgotten_passages ORDER BY id LIMIT $1",
                (most,),
            )
        )
        found: defaultdict[Space, list[str]] = defaultdict(list)
        for workspace, shelf, embedding, passage_id in rows:
            found[Space(workspace, shelf, embedding)].append(passage_id)
        return dict(found)

    async def forget(self, passage_ids: Sequence[str]) -> None:
        def act() -> Transaction[None]:
            yield Query("DELETE FROM forgotten_passages WHERE id IN EACH($1)", (list(passage_ids),))

        await self._database.run(act)

    async def census(self) -> list[Census]:
        all_of_them, seen = await self._database.ask(
            Query(
                "SELECT workspace, shelf, embedding, count(*) FROM passages "
                "GROUP BY workspace, shelf, embedding"
            ),
            Query(
                "SELECT workspace, shelf, embedding, CAST(sum(passages) AS BIGINT) FROM documents "
                "WHERE edition > 0 GROUP BY workspace, shelf, embedding"
            ),
        )
        counts = {Space(*row[:3]): row[3] for row in seen}
        most = {Space(*row[:3]): row[3] for row in all_of_them}
        return [
            Census(space, counts.get(space, 0), most.get(space, 0)) for space in {**most, **counts}
        ]

    async def workspaces(self) -> list[str]:
        (rows,) = await self._database.ask(
            Query(
                "SELECT workspace FROM api_keys UNION SELECT workspace FROM documents "
                "UNION SELECT workspace FROM projects ORDER BY workspace"
            )
        )
        return [row[0] for row in rows]

    async def seen(self, space: Space, after: str, most: int) -> list[str]:
        (rows,) = await self._database.ask(
            Query(
                f"SELECT p.id FROM passages p {_SEEN} WHERE p.workspace = $1 AND p.shelf = $2 "
                "AND p.embedding = $3 AND p.id > $4 ORDER BY p.id LIMIT $5",
                (space.workspace, space.shelf, space.embedding, after, most),
            )
        )
        return [row[0] for row in rows]

    async def known(self, passage_ids: Sequence[str]) -> set[str]:
        (rows,) = await self._database.ask(
            Query("SELECT id FROM passages WHERE id IN JSON($1)", (json.dumps([*passage_ids]),))
        )
        return {row[0] for row in rows}


def _documents_in(where: Where) -> tuple[str, list[str | int]]:
    sql = "SELECT id, passages FROM documents WHERE workspace = $1 AND shelf = $2 AND edition > 0"
    values: list[str | int] = [where.workspace, where.shelf]

    def also(condition: str, value: str | int | None) -> None:
        nonlocal sql
        if value is not None:
            values.append(value)
            sql += f" AND {condition.format(len(values))}"

    also("id IN JSON(${})", _listed(where.document_ids))
    also("project_id = ${}", where.project_id)
    also("media_type IN JSON(${})", _listed(where.media_types))
    also("created_at >= ${}", where.added_from)
    also("created_at < ${}", where.added_until)
    return sql, values


def _listed(values: Sequence[str] | None) -> str | None:
    return None if values is None else json.dumps([*values])
