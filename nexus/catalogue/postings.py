"""The index of words of PostgreSQL: a row for each word of a passage, and BM25 made of them.

The migration's triggers write the rows. A word is what `to_tsvector` makes of a run of letters
and digits: English, stemmed, without case.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Final

from nexus.catalogue.shown import SHOWN
from nexus.memory.passages import Where
from nexus.models.writing import Query

# Okapi BM25 with the constants of FTS5: https://sqlite.org/fts5.html#the_bm25_function
_K1: Final = 1.2
_B: Final = 0.75
_MIDDLING: Final = 150.0  # tokens: a passage of this size is neither long nor short
_LENGTH: Final = f"{_K1 * (1 - _B)}::float + {_K1 * _B / _MIDDLING}::float * w.tokens"
_FIT: Final = f"sum(t.weight * w.times * {_K1 + 1}::float / (w.times + {_LENGTH}))"
_FROM: Final = (
    "FROM json_to_recordset(CAST($2 AS json)) AS t(term text, weight float) "
    "CROSS JOIN LATERAL unnest(tsvector_to_array(to_tsvector('english', t.term))) AS l(word) "
    # OFFSET 0: each word is looked up by itself, whatever the planner believes of a new shelf.
    "CROSS JOIN LATERAL (SELECT number, times, tokens FROM passage_words "
    "WHERE space = $1 AND word = l.word OFFSET 0) w "
)


def space_of(where: Where) -> int:
    """Return the number by which the index knows a shelf, as the migration makes it."""
    name = f"{where.workspace}/{where.shelf}".encode()
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)


def counting(where: Where, terms: Sequence[str], most: int) -> Query:
    """Ask for (term, how many passages have it, up to `most`)."""
    return Query(
        "SELECT t.term, (SELECT count(*) FROM (SELECT 1 FROM passage_words w WHERE w.space = $1 "
        "AND w.word = ANY(tsvector_to_array(to_tsvector('english', t.term))) LIMIT $3) f) "
        "FROM json_array_elements_text(CAST($2 AS json)) AS t(term)",
        (space_of(where), json.dumps([*terms]), most),
    )


def fitting(
    where: Where,
    terms: Mapping[str, int],
    passages: int,
    document_ids: Sequence[str] | None,
    most: int,
) -> Query:
    """Ask for passages as SHOWN and how well the words fit each, best first.

    Args:
        terms: the words, with how many passages have each.
    """
    weights = [
        {"term": term, "weight": math.log(1 + (passages - count + 0.5) / (count + 0.5))}
        for term, count in terms.items()
    ]
    values: list[str | int] = [space_of(where), json.dumps(weights), where.workspace, where.shelf]
    chosen = ""
    if document_ids is not None:
        values.append(json.dumps([*document_ids]))
        chosen = "JOIN passages c ON c.number = w.number AND c.document_id IN JSON($5) "
    return Query(
        f"SELECT {SHOWN}, f.fit FROM (SELECT w.number, {_FIT} AS fit {_FROM} {chosen}"
        f"GROUP BY w.number ORDER BY fit DESC, w.number LIMIT {most * 2}) f "
        "CROSS JOIN LATERAL (SELECT * FROM passages WHERE number = f.number OFFSET 0) p "
        "JOIN documents d ON d.id = p.document_id AND d.edition = p.edition "
        "WHERE p.workspace = $3 AND p.shelf = $4 "
        f"ORDER BY f.fit DESC, p.number LIMIT {most}",
        tuple(values),
    )
