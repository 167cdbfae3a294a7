"""A coming edition, written by whoever holds the claim on its subtask."""

from collections.abc import Callable, Mapping, Sequence

from nexus.catalogue.rows import Edition, add_passages, keep_only
from nexus.memory.passages import Cut
from nexus.models.database import Database
from nexus.models.writing import Query, Transaction


class SqlStaging:
    """Keeps `Staging`; `hold` locks the claim's row and raises Fenced when it is lost."""

    def __init__(
        self, database: Database, edition: Edition, hold: Callable[[], Transaction[None]]
    ) -> None:
        self._database = database
        self._edition = edition
        self._hold = hold

    @property
    def edition(self) -> int:
        return self._edition.number

    async def begin(self, embedding: str, passage_ids: Sequence[str]) -> Mapping[str, bytes]:
        def act() -> Transaction[None]:
            yield from self._hold()
            yield from keep_only(self._edition, passage_ids)

        await self._database.run(act)
        (rows,) = await self._database.ask(
            Query(
                "SELECT digest, vector FROM passages WHERE document_id = $1 AND embedding = $2",
                (self._edition.document_id, embedding),
            )
        )
        return {row[0]: bytes(row[1]) for row in rows}

    async def add(self, embedding: str, cuts: Sequence[Cut]) -> None:
        def act() -> Transaction[None]:
            yield from self._hold()
            yield from add_passages(self._edition, embedding, cuts)

        await self._database.run(act)
