"""Documents come in, in one edition after another, and go; their passages are the catalogue's.

A document is known by its source within its workspace: other content under it is its next
edition, seen once it is whole. Content that comes under a new source and is there already is
the document that has it.
"""

from dataclasses import dataclass
from typing import Final

from nexus.catalogue.rows import mark_untidy
from nexus.domain.ids import new_id
from nexus.domain.seam import Json
from nexus.domain.text import clean, dumps
from nexus.errors import NotFound
from nexus.memory.passages import DOCUMENTS
from nexus.models.writing import Lock, Query, Transaction
from nexus.orchestrator.queueing import queue_ingestion
from nexus.orchestrator.transitions.subtasks import cancel_ingestion
from nexus.orchestrator.turn import Turn

READ_AGAIN_AT_ONCE: Final = 8
"""Documents that wait for their new vectors in the queue, so that new ones need not wait long."""
READ_AGAIN_TIMES: Final = 4
UNKNOWN_TYPE: Final = "application/octet-stream"
"""What a document is called of which nothing is there yet."""


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document as it was sent; `source` says which document it is an edition of."""

    workspace: str
    title: str
    media_type: str
    content: bytes
    sha256: str
    source: str


@dataclass(frozen=True, slots=True)
class NewLink:
    """A document that is fetched from an address before it is read; the address is its source."""

    workspace: str
    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a document came to; `embedding` names the model of its vectors."""

    passages: int
    edition: int
    embedding: str


def add_document(turn: Turn, new: NewDocument) -> Transaction[str]:
    """Store a document and queue its ingestion, unless its very content is there; return its id.

    The document of its source goes first: what it had before must not be found any more, even
    if another has the new content too.
    """
    # Nothing is there yet that could be locked when two add the same for the first time. What
    # is there is locked by its change: the subtask before the document, as settling locks them.
    yield Lock("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", (new.workspace,))
    known = yield Query(
        "SELECT id, sha256, status, source FROM documents WHERE workspace = $1 AND shelf = $2 "
        "AND (sha256 = $3 OR source = $4) ORDER BY created_at, id",
        (new.workspace, DOCUMENTS, new.sha256, clean(new.source)),
    )
    own = [row for row in known if row[3] == clean(new.source)]
    for document_id, sha256, status, _ in own or known:
        if sha256 == new.sha256 and status != "failed":
            return str(document_id)
    if own and (yield from _change(turn, own[0][0], new)):
        return str(own[0][0])
    document_id = new_id("doc")
    yield Query(
        "INSERT INTO documents (id, workspace, shelf, title, source, media_type, bytes, sha256, "
        "status, passages, edition, coming, embedding, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'processing', 0, 0, 1, '', NOW_US())",
        (
            *(document_id, new.workspace, DOCUMENTS, clean(new.title)[:200], clean(new.source)),
            *(new.media_type, len(new.content), new.sha256),
        ),
    )
    yield Query(
        "INSERT INTO document_contents (document_id, workspace, content) VALUES ($1, $2, $3)",
        (document_id, new.workspace, new.content),
    )
    yield from queue_ingestion(turn, new.workspace, document_id)
    return document_id


def _change(turn: Turn, document_id: str, new: NewDocument) -> Transaction[bool]:
    """Begin the next edition; searches see the one of before until it is whole.

    Returns:
        False if the document was deleted meanwhile.
    """
    yield from cancel_ingestion(document_id)
    rows = yield Query(
        "UPDATE documents SET title = $2, media_type = $3, bytes = $4, sha256 = $5, "
        "wanted_url = NULL, status = 'processing', error = NULL, coming = coming + 1 "
        "WHERE id = $1 RETURNING id",
        (document_id, clean(new.title)[:200], new.media_type, len(new.content), new.sha256),
    )
    if not rows:
        return False
    yield from cancel_ingestion(document_id)  # what began while its row was waited for
    yield Query(
        "UPDATE document_contents SET content = $2 WHERE document_id = $1",
        (document_id, new.content),
    )
    yield from mark_untidy(new.workspace, document_id)
    yield from queue_ingestion(turn, new.workspace, document_id)
    return True


def add_link(turn: Turn, new: NewLink) -> Transaction[str]:
    """Queue the fetching and reading of what an address has now; return the document's id."""
    yield Lock("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", (new.workspace,))
    known = yield Query(
        "SELECT id FROM documents WHERE workspace = $1 AND shelf = $2 AND source = $3 "
        "ORDER BY created_at, id",
        (new.workspace, DOCUMENTS, new.url),
    )
    if known and (yield from _fetch_again(turn, known[0][0], new)):
        return str(known[0][0])
    document_id = new_id("doc")
    yield Query(
        "INSERT INTO documents (id, workspace, shelf, title, source, wanted_url, media_type, "
        "bytes, sha256, status, passages, edition, coming, embedding, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $5, $6, 0, '', 'processing', 0, 0, 1, '', NOW_US())",
        (
            *(document_id, new.workspace, DOCUMENTS, clean(new.title)[:200]),
            *(new.url, UNKNOWN_TYPE),
        ),
    )
    yield Query(
        "INSERT INTO document_contents (document_id, workspace, content) VALUES ($1, $2, $3)",
        (document_id, new.workspace, b""),
    )
    yield from queue_ingestion(turn, new.workspace, document_id)
    return document_id


def _fetch_again(turn: Turn, document_id: str, new: NewLink) -> Transaction[bool]:
    """Have the next edition fetched; False if the document was deleted meanwhile."""
    yield from cancel_ingestion(document_id)
    rows = yield Query(
        "UPDATE documents SET title = $2, wanted_url = $3, status = 'processing', "
        "error = NULL, coming = coming + 1 WHERE id = $1 RETURNING id",
        (document_id, clean(new.title)[:200], new.url),
    )
    if not rows:
        return False
    yield from cancel_ingestion(document_id)  # what began while its row was waited for
    yield from mark_untidy(new.workspace, document_id)
    yield from queue_ingestion(turn, new.workspace, document_id)
    return True


def keep_fetched(
    document_id: str, media_type: str, content: bytes, sha256: str
) -> Transaction[None]:
    """Store what was fetched, so that nothing has to be fetched twice."""
    yield Query(
        "UPDATE documents SET wanted_url = NULL, media_type = $2, bytes = $3, sha256 = $4 "
        "WHERE id = $1",
        (document_id, media_type, len(content), sha256),
    )
    yield Query(
        "UPDATE document_contents SET content = $2 WHERE document_id = $1", (document_id, content)
    )


def stay_at(document_id: str, seen: Reading) -> Transaction[None]:
    """Take back the wish for another edition: what was fetched is what is seen."""
    yield Query(
        "UPDATE documents SET wanted_url = NULL, coming = $2 WHERE id = $1",
        (document_id, seen.edition),
    )


def remove_document(workspace: str, document_id: str) -> Transaction[None]:
    """Delete a document: nothing finds it any more, and its passages are there to be tidied.

    Raises:
        NotFound: no such document in this workspace.
    """
    rows = yield Query(
        "SELECT id FROM documents WHERE id = $1 AND workspace = $2 AND shelf = $3",
        (document_id, workspace, DOCUMENTS),
    )
    if not rows:
        raise NotFound("no such document", hint="list them with GET /documents")
    # The subtask before the document: in the order in which settling locks them.
    yield from cancel_ingestion(document_id)
    yield Query("DELETE FROM documents WHERE id = $1", (document_id,))
    yield Query("DELETE FROM document_contents WHERE document_id = $1", (document_id,))
    yield from mark_untidy(workspace, document_id)


def finish_document(
    workspace: str, document_id: str, reading: Reading | None, error: Json = None
) -> Transaction[None]:
    """Show the edition that was read; of one that failed the earlier edition stays."""
    if reading is not None:
        yield Query(
            "UPDATE documents SET status = 'ready', error = NULL, passages = $3, edition = $2, "
            "embedding = $4 WHERE id = $1 AND coming = $2",
            (document_id, reading.edition, reading.passages, reading.embedding),
        )
    else:
        # One that was only to have new vectors stays ready with those it has.
        yield Query(
            "UPDATE documents SET status = 'failed', error = $2 "
            "WHERE id = $1 AND status = 'processing'",
            (document_id, dumps(error)),
        )
    yield from mark_untidy(workspace, document_id)


def others_than(embedding: str) -> Query:
    """Ask whether another model made the vectors of any document: cheap where none did."""
    return Query(
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM documents WHERE embedding < $1 AND status = 'ready') "
        "OR EXISTS (SELECT 1 FROM documents WHERE embedding > $1 AND status = 'ready')",
        (embedding,),
    )


def read_again(turn: Turn, embedding: str) -> Transaction[int]:
    """Queue the reading of ready documents whose vectors another model made; return how many."""
    rows = yield Query(
        "UPDATE documents SET coming = coming + 1 WHERE id IN (SELECT d.id FROM documents d "
        "WHERE d.status = 'ready' AND d.embedding <> $1 AND d.coming - d.edition < $3 "
        "AND NOT EXISTS (SELECT 1 FROM subtasks s "
        "WHERE s.document_id = d.id AND s.status IN ('queued', 'running')) "
        "ORDER BY d.created_at DESC LIMIT (SELECT CASE WHEN count(*) < CAST($2 AS BIGINT) "
        "THEN CAST($2 AS BIGINT) - count(*) "
        "ELSE 0 END FROM subtasks s WHERE s.kind = 'ingest' AND s.status IN ('queued', 'running'))"
        ") RETURNING id, workspace",
        (embedding, READ_AGAIN_AT_ONCE, READ_AGAIN_TIMES),
    )
    for document_id, workspace in rows:
        yield from queue_ingestion(turn, workspace, document_id)
    return len(rows)
