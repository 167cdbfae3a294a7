"""The index of words of SQLite: FTS5 and its BM25."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nexus.catalogue.shown import SHOWN
from nexus.memory.passages import Where
from nexus.models.writing import Query

MOST_OWNERS: Final = 300


@dataclass(frozen=True, slots=True)
class Scope:
    """Where words are looked for, and how many passages are wanted."""

    where: Where
    document_ids: tuple[str, ...] | None
    most: int


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


def fitting(scope: Scope, terms: Mapping[str, int], rows: int, *, is_alone: bool = False) -> Query:
    """Ask for passages as SHOWN and how well the words fit each, best first.

    Args:
        terms: the words, with how many passages have each.
        rows: how many passages at most are compared with the question.
        is_alone: hardly any other shelf has passages.
    """
    where, document_ids, most = scope.where, scope.document_ids, scope.most
    is_wide = document_ids is not None and len(document_ids) > MOST_OWNERS
    # Words that stand nearly everywhere say nothing of what fits: the first will do.
    order = "ORDER BY rank" if sum(terms.values()) <= rows and min(terms.values()) < rows else ""
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
        f"SELECT {SHOWN}, -w.fit FROM (SELECT rowid, {fit} AS fit FROM passage_words "
        f"WHERE passage_words MATCH $1 {order} LIMIT $2) w "
        "JOIN passages p ON p.number = w.rowid "
        "JOIN documents d ON d.id = p.document_id AND d.edition = p.edition "
        # Not bare columns: SQLite would go through all the workspace has.
        f"WHERE p.workspace || '' = $3 AND p.shelf || '' = $4 {chosen}"
        f"ORDER BY w.fit LIMIT {most}",
        values,
    )


def counting(where: Where, terms: Sequence[str], most: int) -> Query:
    """Ask for (term, how many passages have it, up to `most`)."""
    counts = [
        f"SELECT ${at}, (SELECT count(*) FROM (SELECT 1 FROM passage_words "
        f"WHERE passage_words MATCH ${at + 1} LIMIT $1))"
        for at in range(2, 2 + 2 * len(terms), 2)
    ]
    values = [part for term in terms for part in (term, _match(where, [term], None))]
    return Query(" UNION ALL ".join(counts), (most, *values))
