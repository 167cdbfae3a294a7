"""Passages by their words: FTS5's BM25 on SQLite, weighted text search on PostgreSQL.

Both stem English and ignore case; both leave out the commonest of a question's words once
there are rarer ones, which is what keeps a search quick among many passages.
"""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

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
MOST_OWNERS: Final = 300
SIZE: Final = ""
TABLE: Final = " "
"""Stand for the size of a shelf, and of all of them, among words whose frequencies are known."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where words are looked for, and how many passages are wanted."""

    where: Where
    document_ids: tuple[str, ...] | None
    most: int


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
        counts = await self._frequencies(where, [SIZE, TABLE, *terms])
        size, table = counts.pop(SIZE), counts.pop(TABLE)
        passages = max(size, 1, *counts.values())
        chosen = _rarest(counts, ROWS if passages <= ROWS else ROWS_OF_MANY)
        if not chosen:
            return Matches({}, counts, passages)
        if not self._is_sqlite:
            rows = await self._ask(_tsquery(where, chosen, passages, document_ids, most))
        else:
            scope = Scope(where, None if document_ids is None else tuple(document_ids), most)
            # BM25 goes through all that a word of the question has, and a shelf's own is one.
            rows = []
            if document_ids is None and size * 2 > table:
                rows = await self._ask(_fts5(scope, chosen, is_alone=True))
            if len(rows) < most:
                rows = await self._ask(_fts5(scope, chosen))
        return Matches({row[0]: float(row[1]) for row in rows[:most]}, counts, passages)

    async def _ask(self, question: Query) -> Sequence[Row]:
        (rows,) = await self._database.ask(question)
        return rows

    async def _frequencies(self, where: Where, terms: Sequence[str]) -> dict[str, int]:
        """Count the passages of each word, up to ROWS."""
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
            for term, count in (await self._counted(where, unknown)).items():
                found[term] = count
                self._known[(*shelf, term)] = (now, count)
        return {term: found[term] for term in terms}

    async def _counted(self, where: Where, terms: Sequence[str]) -> dict[str, int]:
        special = {SIZE: _size(where), TABLE: _TABLE}
        asked = {term: special[term] for term in terms if term in special}
        words = [term for term in terms if term not in special]
        if self._is_sqlite:
            asked |= {term: _fts5_count(where, term) for term in words}
        answers = await self._database.ask(
            *asked.values(), *([] if self._is_sqlite else [_tsquery_counts(where, words)])
        )
        counts = {term: int(rows[0][0]) for term, rows in zip(asked, answers, strict=False)}
        rows = [] if self._is_sqlite else answers[-1]
        return {**counts, **{row[0]: int(row[1]) for row in rows}}


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


def _shelf_token(where: Where) -> str:
    """The token the migration's triggers write for a shelf."""
    return f'"w{f"{where.workspace}/{where.shelf}".encode().hex()}0"'


def _match(where: Where, terms: Sequence[str], document_ids: Sequence[str] | None) -> str:
    parts = [f"owners : {_shelf_token(where)}"]
    if document_ids is not None and len(document_ids) <= MOST_OWNERS:
        owners = " OR ".join(f'"d{one.replace("_", "")}0"' for one in document_ids)
        parts.append(f"owners : ({owners})")
    return " AND ".join([*parts, _words(terms)])


def _words(terms: Sequence[str]) -> str:
    words = " OR ".join(f'"{term}"' for term in terms)
    return f"{{heading text}} : ({words})"


def _fts5(scope: Scope, terms: Mapping[str, int], *, is_alone: bool = False) -> Query:
    """Ask for the best; `is_alone` where hardly any other shelf has passages."""
    where, document_ids, most = scope.where, scope.document_ids, scope.most
    is_wide = document_ids is not None and len(document_ids) > MOST_OWNERS
    # Words that stand nearly everywhere say nothing of what fits: the first will do.
    order = "ORDER BY rank" if sum(terms.values()) <= ROWS and min(terms.values()) < ROWS else ""
    fit = "rank" if order else "0.0"
    values: tuple[str | int, ...] = (
        _words([*terms]) if is_alone else _match(where, [*terms], document_ids),
        most * 10 if is_wide else most * 2,
        where.workspace,
        where.shelf,
    )
    if document_ids is not None:
        values = (*values, json.dumps([*document_ids]))
    chosen = "" if document_ids is None else "AND d.id IN JSON($5) "
    return Query(
        f"SELECT p.id, -w.fit FROM (SELECT rowid, {fit} AS fit FROM passage_words "
        f"WHERE passage_words MATCH $1 {order} LIMIT $2) w "
        "JOIN passages p ON p.number = w.rowid "
        "JOIN documents d ON d.id = p.document_id AND d.edition = p.edition "
        # Not bare columns: SQLite would go through all the workspace has.
        f"WHERE p.workspace || '' = $3 AND p.shelf || '' = $4 {chosen}ORDER BY w.fit",
        values,
    )


def _fts5_count(where: Where, term: str) -> Query:
    return Query(
        "SELECT count(*) FROM (SELECT 1 FROM passage_words WHERE passage_words MATCH $1 LIMIT $2)",
        (_match(where, [term], None), ROWS),
    )


# PostgreSQL adds 1/n² for the nth time a word stands in a passage and divides by the sum of
# them all, so how often it stands there can be had back from it, and BM25 made of that.
_ALL: Final = 1.64493406685
_TIMES: Final = (
    f"1 / ({_ALL} * (1.0001 - ts_rank('{{{{1,1,1,1}}}}', p.words, q.q{{term}}))) - 0.608"
)
_LENGTH: Final = "1.2 * (0.25 + 0.75 * p.tokens / {middling})"
_TERM: Final = "CAST(${weight} AS FLOAT) * 2.2 * (1 - {length} / ({times} + {length}))"
_MIDDLING: Final = 150.0  # tokens: a passage of this size is neither long nor short


def _tsquery(
    where: Where,
    terms: Mapping[str, int],
    passages: int,
    document_ids: Sequence[str] | None,
    most: int,
) -> Query:
    values: list[str | int | float] = [where.workspace, where.shelf, " or ".join(terms), most]
    chosen = ""
    if document_ids is not None:
        values.append(json.dumps([*document_ids]))
        chosen = "AND p.document_id IN JSON($5) "
    fits: list[str] = []
    asked: list[str] = []
    for term, count in terms.items():
        values += [math.log(1 + (passages - count + 0.5) / (count + 0.5)), term]
        times = _TIMES.format(term=len(values))
        asked.append(f"plainto_tsquery('english', ${len(values)}) AS q{len(values)}")
        length = _LENGTH.format(middling=_MIDDLING)
        fits.append(_TERM.format(weight=len(values) - 1, times=times, length=length))
    return Query(
        # Otherwise a plan that is kept makes each of the queries anew for every passage.
        f"WITH q AS MATERIALIZED (SELECT {', '.join(asked)}) "
        f"SELECT p.id, {' + '.join(fits)} AS fit FROM q CROSS JOIN passages p "
        "JOIN documents d ON d.id = p.document_id AND d.edition = p.edition "
        "WHERE p.workspace = $1 AND p.shelf = $2 AND p.words @@ websearch_to_tsquery('english', $3) "
        f"{chosen}ORDER BY fit DESC, p.number LIMIT $4",
        tuple(values),
    )


def _tsquery_counts(where: Where, terms: Sequence[str]) -> Query:
    return Query(
        "SELECT t.term, (SELECT count(*) FROM (SELECT 1 FROM passages p WHERE p.workspace = $1 "
        "AND p.shelf = $2 AND p.words @@ plainto_tsquery('english', t.term) "
        f"LIMIT {ROWS}) w) FROM json_array_elements_text(CAST($3 AS json)) AS t(term)",
        (where.workspace, where.shelf, json.dumps([*terms])),
    )
