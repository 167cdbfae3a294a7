"""The catalogue of one database: what memory reads of passages, and how it keeps and forgets."""

import json
from collections import defaultdict
from collections.abc import Sequence

from nexus.catalogue.rows import Edition, add_passages, discard_unseen
from nexus.catalogue.words import Words
from nexus.memory.catalogue import Census, Extent, Matches, NewEntry
from nexus.memory.passages import Cut, Kept, Space, Where
from nexus.models.database import Database
from nexus.models.writing import Query, Row, Transaction

_SEEN = "JOIN documents d ON d.id = p.document_id AND d.edition = p.edition"


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
        (rows,) = await self._database.ask(
            Query(
                "SELECT p.id, p.document_id, d.title, p.locator, p.heading, p.text, p.tokens, "
                f"p.embedding, p.vector, d.created_at FROM passages p {_SEEN} "
                # Not a bare column: SQLite would go through all the workspace has.
                "AND d.workspace || '' = $1 WHERE p.id IN JSON($2)",
                (workspace, json.dumps([*passage_ids])),
            )
        )
        return {row[0]: _kept(row) for row in rows}

    async def embeddings(self, workspace: str, shelf: str) -> list[str]:
        (rows,) = await self._database.ask(
            Query(
                "SELECT embedding FROM documents WHERE workspace = $1 AND shelf = $2 "
                "AND edition > 0 GROUP BY embedding ORDER BY embedding",
                (workspace, shelf),
            )
        )
        return [row[0] for row in rows]

    async def keep(self, entry: NewEntry, embedding: str, cuts: Sequence[Cut]) -> None:
        edition = Edition(entry.workspace, entry.shelf, entry.id, 1)

        def act() -> Transaction[None]:
            rows = yield Query(
                "INSERT INTO documents (id, workspace, shelf, project_id, title, media_type, "
                "bytes, sha256, status, passages, edition, coming, embedding, created_at) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'ready', $9, 1, 1, $10, NOW_US()) "
                "ON CONFLICT (id) DO NOTHING RETURNING id",
                (
                    *(entry.id, entry.workspace, entry.shelf, entry.project_id, entry.title),
                    *(entry.media_type, len(entry.content), entry.sha256, len(cuts), embedding),
                ),
            )
            if rows:
                yield Query(
                    "INSERT INTO document_contents (document_id, workspace, content) "
                    "VALUES ($1, $2, $3)",
                    (entry.id, entry.workspace, entry.content),
                )
                yield from add_passages(edition, embedding, cuts)

        await self._database.run(act)

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
        return [
            Census(Space(*row[:3]), counts.get(Space(*row[:3]), 0), row[3]) for row in all_of_them
        ]

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


def _kept(row: Row) -> Kept:
    passage_id, document_id, title, locator, heading, text, tokens, embedding, vector, at = row
    place = (title, locator, heading)
    return Kept(passage_id, document_id, *place, text, tokens, embedding, bytes(vector), at)


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
