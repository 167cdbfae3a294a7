"""Passages by their words and BM25: in FTS5 on SQLite, in rows of words on PostgreSQL.

Both stem English and ignore case; both leave out the commonest of a question's words once
there are rarer ones, which is what keeps a search quick among many passages.
"""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Final

from nexus.catalogue import fts5, postings
from nexus.catalogue.shown import kept_of
from nexus.memory.catalogue import Matches
from nexus.memory.passages import Where
from nexus.models.address import Dialect
from nexus.models.database import Database
from nexus.models.writing import Query, Row

ROWS: Final = 3_000
"""How many passages a question may be compared with: some 8 ms of one processor."""
ROWS_OF_MANY: Final = 1_500
"""The same where there are more than ROWS: words as common as that tell little there."""
KNOWN_SECONDS: Final = 10.0
KNOWN_TERMS: Final = 10_000
SIZE: Final = ""
TABLE: Final = " "
"""Stand for the size of a shelf, and of all of them, among words whose frequencies are known."""


class Words:
    """The indexes of words of one database; remembers for some seconds how common words are."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_sqlite = database.address.dialect is Dialect.SQLITE
        self._known: dict[tuple[str, str, str], tuple[float, int]] = {}

    async def find(
        self, where: Where, terms: Sequence[str], document_ids: Sequence[str] | None, most: int
    ) -> Matches:
        """Find the passages that fit best, at most `most`."""
        sizes = await self._frequencies(where, [SIZE, TABLE], ROWS)
        size, table = sizes[SIZE], sizes[TABLE]
        rows_most = ROWS if size <= ROWS else ROWS_OF_MANY
        counts = await self._frequencies(where, terms, rows_most)
        passages = max(size, 1, *counts.values())
        chosen = _rarest(counts, rows_most)
        if not chosen:
            return Matches({}, {}, counts, passages)
        if not self._is_sqlite:
            rows = await self._ask(postings.fitting(where, chosen, passages, document_ids, most))
        else:
            scope = fts5.Scope(where, None if document_ids is None else tuple(document_ids), most)
            # BM25 goes through all that a word of the question has, and a shelf's own is one.
            rows = []
            if document_ids is None and size * 2 > table:
                rows = await self._ask(fts5.fitting(scope, chosen, rows_most, is_alone=True))
            if len(rows) < most:
                rows = await self._ask(fts5.fitting(scope, chosen, rows_most))
        fits = {row[0]: float(row[-1]) for row in rows}
        return Matches(fits, {row[0]: kept_of(row) for row in rows}, counts, passages)

    async def _ask(self, question: Query) -> Sequence[Row]:
        (rows,) = await self._database.ask(question)
        return rows

    async def _frequencies(self, where: Where, terms: Sequence[str], most: int) -> dict[str, int]:
        """Count the passages of each word, up to `most`."""
        now = time.monotonic()
        shelf = where.workspace, where.shelf
        found: dict[str, int] = {}
        unknown: list[str] = []
        for term in terms:
            at, count = self._known.get((*shelf, term), (-math.inf, 0))
            if now - at < KNOWN_SECONDS and count:
                found[term] = count
            else:
                unknown.append(term)
        if unknown:
            if len(self._known) > KNOWN_TERMS:
                self._known.clear()
            for term, count in (await self._counted(where, unknown, most)).items():
                found[term] = count
                self._known[(*shelf, term)] = (now, count)
        return {term: found[term] for term in terms}

    async def _counted(self, where: Where, terms: Sequence[str], most: int) -> dict[str, int]:
        special = {SIZE: _size(where), TABLE: _TABLE}
        asked = {term: special[term] for term in terms if term in special}
        words = [term for term in terms if term not in special]
        index = fts5 if self._is_sqlite else postings
        questions = [*asked.values(), *([index.counting(where, words, most)] if words else [])]
        answers = await self._database.ask(*questions)
        counts = {term: int(rows[0][0]) for term, rows in zip(asked, answers, strict=False)}
        return {**counts, **{row[0]: int(row[1]) for row in (answers[-1] if words else ())}}


_TABLE: Final = Query("SELECT COALESCE(max(number), 0) FROM passages")


def _size(where: Where) -> Query:
    return Query(
        "SELECT CAST(COALESCE(sum(passages), 0) AS BIGINT) FROM documents "
        "WHERE workspace = $1 AND shelf = $2 AND edition > 0",
        (where.workspace, where.shelf),
    )


def _rarest(frequencies: Mapping[str, int], most: int) -> dict[str, int]:
    """Leave out words that no passage has, and the commonest when there are too many passages."""
    chosen: dict[str, int] = {}
    rows = 0
    for term, count in sorted(frequencies.items(), key=lambda one: one[1]):
        if not count:
            continue
        if chosen and rows + count > most:
            break
        chosen[term] = count
        rows += count
    return chosen
