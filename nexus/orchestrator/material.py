"""What a claimed subtask is about, read in the transaction that claims it.

A handful of statements for any number of claims, so that running a task costs no
transaction of its own before its agent starts.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nexus.domain.states import SubtaskKind
from nexus.domain.work import Brief, TaskBrief
from nexus.models.writing import Query, Row, Transaction

MAX_DOCUMENTS: Final = 100
PLANNING: Final = TaskBrief("plan", "Plan the project", "manager")


@dataclass(frozen=True, slots=True)
class DocumentAtHand:
    """A document the project may use; `sha256` is of its content, in hex."""

    id: str
    title: str
    media_type: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Material:
    """A subtask's brief (without its documents' files) and what its project chose."""

    brief: Brief
    model: str | None
    document_ids: tuple[str, ...] | None
    documents: tuple[DocumentAtHand, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A project's side of the material."""

    goal: str
    model: str | None
    document_ids: tuple[str, ...] | None
    documents: tuple[DocumentAtHand, ...]


def gather(claims: Sequence[Row]) -> Transaction[dict[str, Material]]:
    """Read the material of claimed rows by subtask id.

    Args:
        claims: rows as `transitions.claim_subtasks` returns them; those without a project
            are passed over.
    """
    ours = [row for row in claims if row[4]]
    if not ours:
        return {}
    projects = yield from _projects(sorted({row[4] for row in ours}))
    task_ids = [row[5] for row in ours if row[5]]
    tasks = (yield from _tasks(task_ids)) if task_ids else {}
    inputs = (yield from _inputs(task_ids)) if task_ids else {}
    found: dict[str, Material] = {}
    for row in ours:
        chosen = projects[row[4]]
        if row[7] == SubtaskKind.PLAN:
            brief = Brief(chosen.goal, PLANNING, chosen.goal)
        else:
            key, title, agent, instructions, acceptance = tasks[row[5]]
            brief = Brief(
                chosen.goal,
                TaskBrief(key, title, agent),
                instructions,
                tuple(json.loads(acceptance)),
                inputs.get(row[5], {}),
            )
        found[row[0]] = Material(brief, chosen.model, chosen.document_ids, chosen.documents)
    return found


def _projects(project_ids: list[str]) -> Transaction[dict[str, Chosen]]:
    rows = yield Query(
        "SELECT id, goal, model, document_ids, workspace FROM projects WHERE id IN EACH($1)",
        (project_ids,),
    )
    found: dict[str, Chosen] = {}
    for project_id, goal, model, chosen, workspace in rows:
        ids = None if chosen is None else tuple(json.loads(chosen))
        documents = yield from _documents(workspace, ids)
        found[project_id] = Chosen(goal, model, ids, documents)
    return found


def _documents(
    workspace: str, chosen: tuple[str, ...] | None
) -> Transaction[tuple[DocumentAtHand, ...]]:
    """List the documents a project named, else the newest ready ones of its workspace."""
    if chosen == ():
        return ()
    if chosen is None:
        rows = yield Query(
            "SELECT id, title, media_type, bytes, sha256 FROM documents "
            "WHERE workspace = $1 AND status = 'ready' ORDER BY created_at DESC, id DESC LIMIT $2",
            (workspace, MAX_DOCUMENTS),
        )
    else:
        rows = yield Query(
            "SELECT id, title, media_type, bytes, sha256 FROM documents "
            "WHERE workspace = $1 AND id IN EACH($2) ORDER BY created_at DESC, id DESC",
            (workspace, list(chosen)),
        )
    return tuple(DocumentAtHand(*row) for row in reversed(rows))


def _tasks(task_ids: list[str]) -> Transaction[dict[str, tuple[str, ...]]]:
    rows = yield Query(
        "SELECT id, key, title, agent, instructions, acceptance FROM tasks WHERE id IN EACH($1)",
        (task_ids,),
    )
    return {row[0]: tuple(row)[1:] for row in rows}


def _inputs(task_ids: list[str]) -> Transaction[dict[str, dict[str, str]]]:
    """Read the outputs these tasks receive: by task id, then by the key of the task they come from."""
    rows = yield Query(
        "SELECT t.id, source.key, s.output FROM tasks t "
        "JOIN edges e ON e.project_id = t.project_id AND e.target = t.node AND e.data = 1 "
        "JOIN tasks source ON source.project_id = t.project_id AND source.node = e.source "
        "JOIN subtasks s ON s.id = source.subtask_id "
        "WHERE t.id IN EACH($1) ORDER BY source.node",
        (task_ids,),
    )
    found: dict[str, dict[str, str]] = {}
    for task_id, key, output in rows:
        found.setdefault(task_id, {})[key] = output or ""
    return found
