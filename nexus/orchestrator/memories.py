"""Every change of a memory: its rows, its entry in the catalogue and its line in the audit, at once.

People change memories through the API, the `remember` subtask through `remembering.py`.
"""

import json
from dataclasses import dataclass
from typing import Final

from nexus.catalogue.entries import (
    keep_entry,
    remove_entry,
    rename_entry,
    replace_entry,
    retire_entry,
)
from nexus.domain.remembering import MOST_SOURCES, MemoryKind, MemorySource, Trust, least
from nexus.domain.seam import Json
from nexus.domain.text import dumps
from nexus.errors import Conflict, NotFound
from nexus.memory.catalogue import Prepared
from nexus.memory.passages import MEMORIES
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.transitions.subtasks import cancel_ingestion

AGENT: Final = "memory"
"""Who consolidates, in the audit."""


@dataclass(frozen=True, slots=True)
class About:
    """What makes an entry a memory; `subject` is the digest of what it is about."""

    kind: MemoryKind
    trust: Trust
    sources: tuple[MemorySource, ...] = ()
    subject: str | None = None


def add_memory(made: Prepared, about: About, by: str) -> Transaction[bool]:
    """Store a memory; False if it is there, or was there and is deleted."""
    entry = made.entry
    known = yield Query("SELECT 1 FROM memory_changes WHERE memory_id = $1 LIMIT 1", (entry.id,))
    if known or not (yield from keep_entry(made)):
        return False
    yield Query(
        "INSERT INTO memories (id, workspace, kind, trust, status, subject, sources, created_at, "
        "updated_at) VALUES ($1, $2, $3, $4, 'active', $5, $6, NOW_US(), NOW_US())",
        (
            *(entry.id, entry.workspace, about.kind.value, about.trust.value, about.subject),
            dumps([one.document() for one in about.sources]),
        ),
    )
    yield from _note(entry.workspace, entry.id, "added", by, {"sha256": entry.sha256})
    return True


def edit_memory(made: Prepared, former: str, by: str, *, changes_text: bool) -> Transaction[None]:
    """Put another title or text in the place of a memory's, whose digest was `former`.

    Raises:
        NotFound: no such memory in this workspace.
        Conflict: it is not active, or somebody else has changed it meanwhile.
    """
    entry = made.entry
    yield from _find_active(entry.workspace, entry.id)
    if changes_text:
        yield from cancel_ingestion(entry.id)
        if not (yield from replace_entry(made)):
            raise Conflict(
                "the memory was changed meanwhile",
                code="changed_meanwhile",
                hint="read it again with GET /memory/{id} and repeat the change",
            )
    else:
        yield from rename_entry(entry.id, entry.title)
    yield Query("UPDATE memories SET updated_at = NOW_US() WHERE id = $1", (entry.id,))
    told: dict[str, Json] = {"before": former, "after": entry.sha256}
    yield from _note(entry.workspace, entry.id, "edited", by, told)


def merge_memory(workspace: str, memory_id: str, about: About, by: str) -> Transaction[bool]:
    """Add what says the same to the origins of an active memory; False if it is not active.

    Its text stays, and so does a person's word for it; else it is trusted like the least.
    """
    rows = yield Query(
        "SELECT trust, sources FROM memories WHERE id = $1 AND workspace = $2 "
        "AND status = 'active' FOR UPDATE",
        (memory_id, workspace),
    )
    if not rows:
        return False
    trust, sources = rows[0][0], json.loads(rows[0][1] or "[]")
    new = [one.document() for one in about.sources]
    fresh = [one for one in new if json.loads(dumps(one)) not in sources]
    if not fresh:
        return True
    if trust != Trust.USER:
        trust = least((trust, about.trust)).value
    yield Query(
        "UPDATE memories SET trust = $2, sources = $3, updated_at = NOW_US() WHERE id = $1",
        (memory_id, trust, dumps([*sources, *fresh][-MOST_SOURCES:])),
    )
    yield from _note(workspace, memory_id, "merged", by, {"from": fresh[0]["project_id"]})
    return True


def supersede_earlier(made: Prepared, about: About, by: str) -> Transaction[int]:
    """Let a memory take the place of earlier ones about the same; return how many there were.

    What is trusted more stays: a page of the web replaces nothing an agent or a person wrote.
    """
    entry = made.entry
    trusts = [
        one.value for one in Trust if list(Trust).index(one) >= list(Trust).index(about.trust)
    ]
    rows = yield Query(
        "UPDATE memories SET status = 'superseded', superseded_by = $3, updated_at = NOW_US() "
        "WHERE workspace = $1 AND subject = $2 AND id <> $3 AND status = 'active' "
        "AND trust IN EACH($4) RETURNING id",
        (entry.workspace, about.subject or "", entry.id, trusts),
    )
    for memory_id in sorted(str(row[0]) for row in rows):
        yield from _retire(entry.workspace, memory_id, "superseded", by, {"by": entry.id})
    return len(rows)


def forget_oldest(workspace: str, keep: int, most: int, by: str) -> Transaction[int]:
    """Forget the oldest outputs beyond those that are kept, at most some; return how many."""
    rows = yield Query(
        "UPDATE memories SET status = 'forgotten', updated_at = NOW_US() WHERE id IN "
        "(SELECT id FROM memories WHERE workspace = $1 AND status = 'active' AND kind = 'output' "
        "ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $2) RETURNING id",
        (workspace, keep, most),
    )
    for memory_id in sorted(str(row[0]) for row in rows):
        yield from _retire(workspace, memory_id, "forgotten", by, {})
    return len(rows)


def delete_memory(workspace: str, memory_id: str, by: str) -> Transaction[None]:
    """Delete a memory: its text is gone; that it was there and who deleted it stays.

    Raises:
        NotFound: no such memory in this workspace.
    """
    rows = yield Query(
        "DELETE FROM memories WHERE id = $1 AND workspace = $2 RETURNING id",
        (memory_id, workspace),
    )
    if not rows:
        raise no_memory()
    yield from cancel_ingestion(memory_id)
    yield from remove_entry(memory_id)
    # The first answer to the POST that made it has its text too.
    yield Query(
        "DELETE FROM idempotency_keys WHERE workspace = $1 AND location = $2",
        (workspace, f"/memory/{memory_id}"),
    )
    yield from _note(workspace, memory_id, "deleted", by, {})


def no_memory() -> NotFound:
    """Say that there is no such memory, here or anywhere."""
    return NotFound("no such memory", hint="list them with GET /memory")


def _find_active(workspace: str, memory_id: str) -> Transaction[Row]:
    rows = yield Query(
        "SELECT status FROM memories WHERE id = $1 AND workspace = $2 AND EXISTS "
        "(SELECT 1 FROM documents d WHERE d.id = memories.id AND d.shelf = $3) FOR UPDATE",
        (memory_id, workspace, MEMORIES),
    )
    if not rows:
        raise no_memory()
    if rows[0][0] != "active":
        raise Conflict(
            f"the memory is {rows[0][0]}: only what is active can be changed",
            code="not_active",
            hint="edit the one that took its place, or add a new one with POST /memory",
        )
    return rows[0]


def _retire(
    workspace: str, memory_id: str, act: str, by: str, told: dict[str, Json]
) -> Transaction[None]:
    yield from cancel_ingestion(memory_id)
    yield from retire_entry(memory_id)
    yield from _note(workspace, memory_id, act, by, told)


def _note(
    workspace: str, memory_id: str, act: str, by: str, told: dict[str, Json]
) -> Transaction[None]:
    yield Query(
        "INSERT INTO memory_changes (workspace, memory_id, act, author, data, at) "
        "VALUES ($1, $2, $3, $4, $5, NOW_US())",
        (workspace, memory_id, act, by, dumps(told)),
    )
