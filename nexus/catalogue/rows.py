"""Statements that write passages: shared by what is staged and what is kept whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nexus.domain.text import clean
from nexus.memory.passages import Cut
from nexus.models.writing import Many, Query, Transaction

DISCARDED_AT_ONCE: Final = 500
"""Passages removed in one transaction: of them the index of words is what takes its time."""

_INSERT: Final = (
    "INSERT INTO passages (id, workspace, shelf, document_id, edition, position, locator, heading, "
    "text, tokens, digest, embedding, vector) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (id) DO NOTHING"
)
_UNSEEN: Final = (
    "DELETE FROM passages WHERE number IN (SELECT p.number FROM passages p "
    "LEFT JOIN documents d ON d.id = p.document_id WHERE p.document_id IN EACH($1) "
    "AND (d.id IS NULL OR (p.edition <> d.edition AND (p.edition <> d.coming OR NOT EXISTS "
    "(SELECT 1 FROM subtasks s WHERE s.document_id = d.id AND s.status IN ('queued', 'running'))"
    "))) LIMIT $2) RETURNING id, workspace, shelf, embedding"
)
_FORGET: Final = (
    "INSERT INTO forgotten_passages (id, workspace, shelf, embedding) VALUES ($1, $2, $3, $4) "
    "ON CONFLICT (id) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition of a document, as its passages name it."""

    workspace: str
    shelf: str
    document_id: str
    number: int


def add_passages(edition: Edition, embedding: str, cuts: Sequence[Cut]) -> Transaction[None]:
    """Store passages of an edition; those that are there stay as they are."""
    yield Many(
        _INSERT,
        [
            (
                cut.id,
                edition.workspace,
                edition.shelf,
                edition.document_id,
                edition.number,
                cut.position,
                clean(cut.locator),
                clean(cut.heading),
                clean(cut.text),
                cut.tokens,
                cut.digest,
                embedding,
                cut.vector,
            )
            for cut in cuts
        ],
    )


def keep_only(edition: Edition, passage_ids: Sequence[str]) -> Transaction[None]:
    """Remove what an edition holds besides these passages."""
    rows = yield Query(
        "DELETE FROM passages WHERE document_id = $1 AND edition = $2 AND NOT (id IN EACH($3)) "
        "RETURNING id, workspace, shelf, embedding",
        (edition.document_id, edition.number, list(passage_ids)),
    )
    yield Many(_FORGET, [tuple(row) for row in rows])


def forget_passages(document_id: str) -> Transaction[None]:
    """Remove every passage of something short."""
    rows = yield Query(
        "DELETE FROM passages WHERE document_id = $1 RETURNING id, workspace, shelf, embedding",
        (document_id,),
    )
    yield Many(_FORGET, [tuple(row) for row in rows])


def mark_untidy(workspace: str, document_id: str) -> Transaction[None]:
    """Note that a document may have passages nobody will see again."""
    yield Query(
        "INSERT INTO untidy_documents (document_id, workspace) VALUES ($1, $2) "
        "ON CONFLICT (document_id) DO NOTHING",
        (document_id, workspace),
    )


def discard_unseen(document_ids: Sequence[str]) -> Transaction[None]:
    """Remove passages nobody can see, some at a time; documents without more are tidy."""
    rows = yield Query(_UNSEEN, (list(document_ids), DISCARDED_AT_ONCE))
    yield Many(_FORGET, [tuple(row) for row in rows])
    if len(rows) < DISCARDED_AT_ONCE:
        yield Query(
            "DELETE FROM untidy_documents WHERE document_id IN EACH($1)", (list(document_ids),)
        )
