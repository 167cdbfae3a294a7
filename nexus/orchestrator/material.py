"""What a claimed subtask is about, read in the transaction that claims it.

A handful of statements for any number of claims, so that running a task costs no
transaction of its own before its agent starts.
"""

import json
import math
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

from nexus.domain.consent import Policy
from nexus.domain.work import Brief, TaskBrief
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.transitions.ending import read_briefs

MAX_DOCUMENTS: Final = 100
RECALLED_PROJECTS: Final = 256
DOCUMENTS_SECONDS: Final = 1.0
READING_SECONDS: Final = 60.0
"""How long a project waits for documents that came before it, unless reading them has failed."""
RECALLED_CHARACTERS: Final = 16 * 1024**2

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
class AtHand:
    """A project's documents; with `is_early`, some that came before it are still being read."""

    documents: tuple[DocumentAtHand, ...] = ()
    is_early: bool = False


@dataclass(frozen=True, slots=True)
class Material:
    """A subtask's brief (without its documents' files) and what its project chose."""

    brief: Brief
    model: str | None
    document_ids: tuple[str, ...] | None
    at_hand: AtHand
    policy: Policy = Policy.OUTWARD
    is_reviewed: bool = False  # the output of the task is to be reviewed
    conversation_id: str | None = None  # of a message to an agent


@dataclass(frozen=True, slots=True)
class Chosen:
    """A project's side of the material, which never changes."""

    workspace: str
    goal: str
    model: str | None
    document_ids: tuple[str, ...] | None
    policy: Policy
    created_at: int
    recalls: bool = False  # there were memories before it; whoever gives [] wants nothing


@dataclass(frozen=True, slots=True)
class Wanted:
    """A claimed subtask of a project whose material is asked for; planning has no task."""

    subtask_id: str
    project_id: str
    task_id: str | None


@dataclass(slots=True)
class Recall:
    """What one process has read before and what cannot have changed since.

    Projects' choices, and outputs of subtasks that succeeded; both bounded. Which documents
    a project has at hand is asked again after a second.
    """

    projects: "OrderedDict[str, Chosen]" = field(default_factory=OrderedDict)
    documents: dict[str, tuple[float, AtHand]] = field(default_factory=dict)
    outputs: "OrderedDict[str, str]" = field(default_factory=OrderedDict)
    characters: int = 0

    def keep_project(self, project_id: str, chosen: Chosen) -> None:
        """Remember a project's choices, forgetting the oldest."""
        self.projects[project_id] = chosen
        while len(self.projects) > RECALLED_PROJECTS:
            oldest, _ = self.projects.popitem(last=False)
            self.documents.pop(oldest, None)

    def keep_outputs(self, outputs: Mapping[str, str]) -> None:
        """Remember committed outputs, forgetting the oldest."""
        for subtask_id, output in outputs.items():
            if len(output) <= RECALLED_CHARACTERS // 32 and subtask_id not in self.outputs:
                self.outputs[subtask_id] = output
                self.characters += len(output) + len(subtask_id)
        while self.characters > RECALLED_CHARACTERS:
            subtask_id, output = self.outputs.popitem(last=False)
            self.characters -= len(output) + len(subtask_id)


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task's side of the material; `sources` are (node, key, subtask) of what feeds it."""

    brief: TaskBrief
    instructions: str
    acceptance: tuple[str, ...]
    sources: tuple[tuple[int, str, str], ...]
    is_reviewed: bool


def gather(
    wanted: Sequence[Wanted],
    recall: Recall,
    outputs: Mapping[str, str],
    briefs: Sequence[Row] = (),
) -> Transaction[dict[str, Material]]:
    """Read the material of claimed subtasks by subtask id.

    Args:
        outputs: of subtasks that this very transaction settles.
        briefs: rows of BRIEFS that were read before, of at least the tasks wanted; else
            they are read here.
    """
    if not wanted:
        return {}
    projects = yield from _projects({one.project_id for one in wanted}, recall)
    if not briefs:
        briefs = yield from read_briefs([one.task_id for one in wanted if one.task_id])
    tasks = {row[0]: _task(row) for row in briefs}
    sources = {source for row in tasks.values() for _, _, source in row.sources}
    known = yield from _outputs(sources, recall, outputs)
    documents = yield from _documents_of(projects, recall)
    found: dict[str, Material] = {}
    for one in wanted:
        chosen = projects[one.project_id]
        recalls = chosen.recalls
        brief = Brief(chosen.goal, PLANNING, chosen.goal, recalls=recalls)
        is_reviewed = False
        if one.task_id:
            row = tasks[one.task_id]
            inputs = {key: known.get(source, "") for _, key, source in row.sources}
            about = (chosen.goal, row.brief, row.instructions, row.acceptance, inputs)
            brief = Brief(*about, recalls=recalls)
            is_reviewed = row.is_reviewed
        found[one.subtask_id] = Material(
            brief,
            chosen.model,
            chosen.document_ids,
            documents[one.project_id],
            chosen.policy,
            is_reviewed,
        )
    return found


def _projects(project_ids: Set[str], recall: Recall) -> Transaction[dict[str, Chosen]]:
    found = {one: recall.projects[one] for one in project_ids if one in recall.projects}
    missing = sorted(project_ids - found.keys())
    if missing:
        rows = yield Query(
            "SELECT id, workspace, goal, model, document_ids, approvals, created_at, EXISTS "
            "(SELECT 1 FROM memories m WHERE m.workspace = projects.workspace "
            "AND m.created_at < projects.created_at) FROM projects WHERE id IN EACH($1)",
            (missing,),
        )
        for project_id, workspace, goal, model, listed, policy, created_at, has_memories in rows:
            ids = None if listed is None else tuple(json.loads(listed))
            recalls = bool(has_memories) and ids != ()
            found[project_id] = Chosen(
                workspace, goal, model, ids, Policy(policy), created_at, recalls
            )
            recall.keep_project(project_id, found[project_id])
    return found


def _documents_of(projects: Mapping[str, Chosen], recall: Recall) -> Transaction[dict[str, AtHand]]:
    now = time.monotonic()
    found: dict[str, AtHand] = {}
    for project_id, chosen in sorted(projects.items()):
        asked_at, at_hand = recall.documents.get(project_id, (-math.inf, AtHand()))
        if now - asked_at > DOCUMENTS_SECONDS:
            at_hand = yield from find_documents(chosen)
            recall.documents[project_id] = (now, at_hand)
        found[project_id] = at_hand
    return found


def find_documents(chosen: Chosen) -> Transaction[AtHand]:
    """List the documents that were named, else the newest ready ones of its workspace."""
    if chosen.document_ids == ():
        return AtHand()
    columns = (
        "SELECT id, title, media_type, bytes, sha256, status, status = 'processing' "
        "AND created_at BETWEEN NOW_US() - $3 AND $4 AND EXISTS (SELECT 1 FROM subtasks s "
        "WHERE s.document_id = documents.id AND s.status IN ('queued', 'running') "
        "AND s.error IS NULL) FROM documents "
    )
    patience = (int(READING_SECONDS * 1_000_000), chosen.created_at)
    if chosen.document_ids is None:
        rows = yield Query(
            f"{columns} WHERE workspace = $1 AND shelf = 'documents' AND status <> 'failed' "
            "ORDER BY created_at DESC, id DESC LIMIT $2",
            (chosen.workspace, MAX_DOCUMENTS, *patience),
        )
    else:
        rows = yield Query(
            f"{columns} WHERE workspace = $1 AND shelf = 'documents' AND id IN EACH($2) "
            "ORDER BY created_at DESC, id DESC",
            (chosen.workspace, list(chosen.document_ids), *patience),
        )
    usable = (row for row in reversed(rows) if chosen.document_ids or row[5] == "ready")
    return AtHand(tuple(DocumentAtHand(*row[:5]) for row in usable), any(row[6] for row in rows))


def _task(row: Row) -> TaskRow:
    sources = sorted((node, key, source) for node, key, source in json.loads(row[6] or "[]"))
    acceptance = tuple(json.loads(row[5]))
    about = TaskBrief(row[1], row[2], row[3])
    return TaskRow(about, row[4], acceptance, tuple(sources), bool(row[7]))


def _outputs(
    subtask_ids: Set[str], recall: Recall, own: Mapping[str, str]
) -> Transaction[dict[str, str]]:
    found = {one: own[one] for one in subtask_ids if one in own}
    found |= {one: recall.outputs[one] for one in subtask_ids if one in recall.outputs}
    missing = sorted(subtask_ids - found.keys())
    if missing:
        rows = yield Query("SELECT id, output FROM subtasks WHERE id IN EACH($1)", (missing,))
        read = {row[0]: row[1] or "" for row in rows}
        recall.keep_outputs(read)
        found |= read
    return found
