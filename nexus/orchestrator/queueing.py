"""Queued rows and their announcement: what becomes ready is written here, in the same transaction.

A project announces a bounded window of its queued subtasks and tops it up as they are
claimed, so no project can fill the queue.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from nexus.domain.states import QUICK_KINDS, ProjectState, SubtaskKind
from nexus.models.writing import Many, Query, Row, Transaction
from nexus.orchestrator.newborn import (
    INGEST_ATTEMPTS,
    INGEST_TIMEOUT_SECONDS,
    MAX_PLAN_CALLS,
    REMEMBER_ATTEMPTS,
    REMEMBER_TIMEOUT_SECONDS,
    NewSubtask,
)
from nexus.orchestrator.transitions.closing import INSERT_SUBTASK, give_subtask
from nexus.orchestrator.transitions.ending import read_ready
from nexus.orchestrator.turn import Announcement, Subject, Turn

WINDOW: Final = 64
"""What one project may have on the queue: others wait behind at most so many of it."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a worker may take over of the work it frees."""

    free_slots: int = 0
    live_workers: int = 1
    worker_id: str = ""

    def of(self, freed: int) -> int:
        """Its fair share: freed work over live workers, rounded up, at most its free slots."""
        return min(self.free_slots, -(-freed // max(1, self.live_workers)))

    def without(self, taken: int) -> "Share":
        """What is left of it."""
        return replace(self, free_slots=self.free_slots - taken)


NO_SHARE: Final = Share()


@dataclass(frozen=True, slots=True)
class Queued:
    """Subtasks that were made: `taken` are in the sharing worker's hands, the others wait."""

    waiting: tuple[NewSubtask, ...] = ()
    taken: tuple[NewSubtask, ...] = ()

    def __add__(self, other: "Queued") -> "Queued":
        return Queued(self.waiting + other.waiting, self.taken + other.taken)


def queue_tasks(
    turn: Turn, task_ids: Sequence[str], share: Share = NO_SHARE
) -> Transaction[Queued]:
    """Queue the tasks that are ready; see `queue_ready`."""
    rows = yield from read_ready(task_ids, share.worker_id)
    return queue_ready(turn, rows, share)


def queue_ready(turn: Turn, rows: Sequence[Row], share: Share) -> Queued:
    """Make the `work` subtasks of ready tasks (rows of READY): a share is taken over, the rest queued.

    They become rows when the turn is written. A task that ran before (a retry) gets a new
    subtask that keeps what `COPY_CALLS` says: recorded steps above all.
    """
    may_take = sum(row[8] == ProjectState.RUNNING and bool(row[9]) for row in rows)
    left = share.of(may_take)
    made: list[NewSubtask] = []
    for row in rows:
        takes = left > 0 and row[8] == ProjectState.RUNNING and bool(row[9])
        left -= takes
        one = _work(row, share.worker_id if takes else None)
        give_subtask(turn, one, row[7], row[10])
        made.append(one)
    return Queued(
        tuple(one for one in made if not one.owner), tuple(one for one in made if one.owner)
    )


def _work(row: Row, owner: str | None) -> NewSubtask:
    return NewSubtask(
        SubtaskKind.WORK,
        row[3],
        row[2],
        project_id=row[1],
        task_id=row[0],
        supersedes=row[6],
        max_attempts=row[4],
        timeout_seconds=row[5],
        owner=owner,
    )


def queue_planning(turn: Turn, project: Subject) -> Transaction[str]:
    """Create the queued `plan` subtask of a project."""
    made = NewSubtask(
        SubtaskKind.PLAN,
        "manager",
        project.workspace,
        project_id=project.project_id,
        max_model_calls=MAX_PLAN_CALLS,
    )
    yield Many(INSERT_SUBTASK, [made.row()])
    turn.tell(made.subject(None), "subtask.queued", kind=made.kind.value)
    return made.id


def queue_ingestion(turn: Turn, workspace: str, document_id: str) -> Transaction[str]:
    """Create and announce the queued `ingest` subtask of a document."""
    made = NewSubtask(
        SubtaskKind.INGEST,
        "memory",
        workspace,
        document_id=document_id,
        max_attempts=INGEST_ATTEMPTS,
        max_model_calls=0,
        timeout_seconds=INGEST_TIMEOUT_SECONDS,
    )
    yield Many(INSERT_SUBTASK, [made.row()])
    yield from announce_subtasks(turn, [made.id])
    return made.id


def queue_remembering(turn: Turn, workspace: str, project_id: str) -> Transaction[bool]:
    """Create and announce the queued `remember` subtask of a project that has none."""
    made = NewSubtask(
        SubtaskKind.REMEMBER,
        "memory",
        workspace,
        max_attempts=REMEMBER_ATTEMPTS,
        max_model_calls=0,
        timeout_seconds=REMEMBER_TIMEOUT_SECONDS,
    )
    rows = yield Query(
        "UPDATE projects SET remembered_by = $2 WHERE id = $1 AND remembered_by IS NULL "
        "RETURNING id",
        (project_id, made.id),
    )
    if not rows:
        return False
    yield Many(INSERT_SUBTASK, [made.row()])
    yield from announce_subtasks(turn, [made.id])
    return True


def announce_projects(turn: Turn, project_ids: Sequence[str]) -> Transaction[None]:
    """Top up the windows of those projects that have something left to announce."""
    rows = yield Query(
        "SELECT id FROM projects WHERE id IN EACH($1) AND EXISTS (SELECT 1 FROM subtasks s "
        "WHERE s.project_id = projects.id AND s.status = 'queued' AND s.announced_at IS NULL "
        "AND s.run_at <= NOW_US()) ORDER BY id",
        (list(project_ids),),
    )
    for row in rows:
        yield from announce_project(turn, row[0])


def announce_project(turn: Turn, project_id: str) -> Transaction[None]:
    """Announce queued, due subtasks of a project that may go on, until its window is full."""
    rows = yield Query(
        "UPDATE subtasks SET announced_at = NOW_US() WHERE id IN "
        "(SELECT id FROM subtasks WHERE project_id = $1 AND status = 'queued' "
        "AND announced_at IS NULL AND run_at <= NOW_US() AND EXISTS (SELECT 1 FROM projects p "
        "WHERE p.id = $1 AND p.status IN ('running', 'planning')) ORDER BY priority, run_at, id "
        "LIMIT (SELECT CASE WHEN count(*) < CAST($2 AS BIGINT) "
        "THEN CAST($2 AS BIGINT) - count(*) ELSE 0 END FROM subtasks "
        "WHERE project_id = $1 AND status = 'queued' AND announced_at IS NOT NULL)) "
        "RETURNING id, kind",
        (project_id, WINDOW),
    )
    turn.announcements += [Announcement(row[0], row[1] in QUICK_KINDS) for row in rows]


def announce_subtasks(turn: Turn, subtask_ids: Sequence[str]) -> Transaction[None]:
    """Announce these subtasks if they are still queued and their project may go on."""
    rows = yield Query(
        "UPDATE subtasks SET announced_at = NOW_US() "
        "WHERE id IN EACH($1) AND status = 'queued' AND (project_id IS NULL OR EXISTS "
        "(SELECT 1 FROM projects p WHERE p.id = project_id "
        "AND p.status IN ('running', 'planning'))) RETURNING id, kind",
        (list(subtask_ids),),
    )
    turn.announcements += [Announcement(row[0], row[1] in QUICK_KINDS) for row in rows]
