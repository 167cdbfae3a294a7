"""Entries that are kept whole at once, such as notes and memories: statements, for one transaction."""

from nexus.catalogue.rows import Edition, add_passages, forget_passages, mark_untidy
from nexus.domain.text import clean
from nexus.memory.catalogue import Prepared
from nexus.models.writing import Query, Transaction

RETIRED = "retired"
"""The status of an entry that is kept and found by no search."""


def keep_entry(made: Prepared) -> Transaction[bool]:
    """Store an entry with its passages, to be seen at once; False if it is there already."""
    entry = made.entry
    rows = yield Query(
        "INSERT INTO documents (id, workspace, shelf, project_id, title, media_type, "
        "bytes, sha256, status, passages, edition, coming, embedding, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'ready', $9, $11, $11, $10, NOW_US()) "
        "ON CONFLICT (id) DO NOTHING RETURNING id",
        (
            *(entry.id, entry.workspace, entry.shelf, entry.project_id, clean(entry.title)[:200]),
            *(entry.media_type, len(entry.content), entry.sha256, len(made.cuts)),
            *(made.embedding, made.edition),
        ),
    )
    if not rows:
        return False
    yield Query(
        "INSERT INTO document_contents (document_id, workspace, content) VALUES ($1, $2, $3)",
        (entry.id, entry.workspace, entry.content),
    )
    yield from add_passages(_edition(made), made.embedding, made.cuts)
    return True


def replace_entry(made: Prepared) -> Transaction[bool]:
    """Show the next edition of an entry in the place of the one before; False if that is not it."""
    entry = made.entry
    rows = yield Query(
        "UPDATE documents SET title = $2, bytes = $3, sha256 = $4, passages = $5, embedding = $6, "
        "edition = $7, coming = $7 WHERE id = $1 AND coming = CAST($7 AS BIGINT) - 1 "
        "AND status = 'ready' RETURNING id",
        (
            *(entry.id, clean(entry.title)[:200], len(entry.content), entry.sha256),
            *(len(made.cuts), made.embedding, made.edition),
        ),
    )
    if not rows:
        return False
    yield Query(
        "UPDATE document_contents SET content = $2 WHERE document_id = $1",
        (entry.id, entry.content),
    )
    yield from add_passages(_edition(made), made.embedding, made.cuts)
    yield from mark_untidy(entry.workspace, entry.id)
    return True


def rename_entry(entry_id: str, title: str) -> Transaction[None]:
    """Give an entry another title; its passages stay."""
    yield Query("UPDATE documents SET title = $2 WHERE id = $1", (entry_id, clean(title)[:200]))


def retire_entry(entry_id: str) -> Transaction[None]:
    """Let no search find an entry any more; its text stays."""
    yield Query(
        f"UPDATE documents SET status = '{RETIRED}', edition = 0, coming = 0, passages = 0 "
        "WHERE id = $1",
        (entry_id,),
    )
    yield from forget_passages(entry_id)


def remove_entry(entry_id: str) -> Transaction[None]:
    """Delete an entry and its passages for good."""
    yield Query("DELETE FROM documents WHERE id = $1", (entry_id,))
    yield Query("DELETE FROM document_contents WHERE document_id = $1", (entry_id,))
    yield Query("DELETE FROM untidy_documents WHERE document_id = $1", (entry_id,))
    yield from forget_passages(entry_id)


def _edition(made: Prepared) -> Edition:
    return Edition(made.entry.workspace, made.entry.shelf, made.entry.id, made.edition)
