"""Queued rows and their announcement: what becomes ready is written here, in the same transaction.

A project announces a bounded window of its queued subtasks and tops it up as they are
claimed, so no project can fill the queue.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from nexus.domain.ids import new_id
from nexus.domain.states import QUICK_KINDS, ProjectState, SubtaskKind
from nexus.models.writing import Many, Query, Row, Transaction, Value
from nexus.orchestrator.transitions.tasks import Gift, give_subtasks
from nexus.orchestrator.turn import Announcement, Subject, Turn

WINDOW: Final = 256
MAX_MODEL_CALLS: Final = 50
MAX_PLAN_CALLS: Final = 6
PLAN_TIMEOUT_SECONDS: Final = 300.0
PLAN_ATTEMPTS: Final = 3
INGEST_ATTEMPTS: Final = 20
"""A document waits about two minutes for a memory that is away."""
INGEST_TIMEOUT_SECONDS: Final = 900.0

INSERT_SUBTASK: Final = (
    "INSERT INTO subtasks (id, workspace, project_id, task_id, document_id, supersedes, kind, agent, "
    "priority, max_attempts, max_model_calls, timeout_seconds, status, owner, claim, attempt, "
    "attempt_open, started_at, deadline_at, generation, run_at, announced_at, requests, "
    "input_tokens, output_tokens, cost_pico_usd, created_at) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $15, "
    "CASE WHEN CAST($15 AS BIGINT) = 1 THEN NOW_US() END, CASE WHEN CAST($15 AS BIGINT) = 1 "
    "THEN NOW_US() + CAST(CAST($12 AS DOUBLE PRECISION) * 1000000 AS BIGINT) END, "
    "0, NOW_US(), NULL, 0, 0, 0, 0, NOW_US())"
)

COPY_STEPS: Final = (
    "INSERT INTO journal (subtask_id, number, workspace, kind, name, key, occurrence, generation, "
    "fingerprint, effect, status, claim, request, result, outcome, input_tokens, output_tokens, "
    "cost_pico_usd, begun_at, recorded_at) "
    "SELECT CAST($1 AS VARCHAR), number, workspace, kind, name, key, occurrence, 0, fingerprint, "
    "effect, status, 0, request, result, outcome, 0, 0, 0, begun_at, recorded_at "
    "FROM journal WHERE subtask_id = $2 AND kind = 'step' AND status = 'recorded'"
)


@dataclass(frozen=True, slots=True)
class NewSubtask:
    """A subtask about to be queued or, with an `owner`, born in a worker's hands."""

    kind: SubtaskKind
    agent: str
    workspace: str
    project_id: str | None = None
    task_id: str | None = None
    document_id: str | None = None
    supersedes: str | None = None
    max_attempts: int = PLAN_ATTEMPTS
    max_model_calls: int = MAX_MODEL_CALLS
    timeout_seconds: float = PLAN_TIMEOUT_SECONDS
    owner: str | None = None
    id: str = field(default_factory=lambda: new_id("sub"))

    def row(self) -> tuple[Value, ...]:
        """Write it as INSERT_SUBTASK takes it."""
        return (
            self.id,
            self.workspace,
            self.project_id,
            self.task_id,
            self.document_id,
            self.supersedes,
            self.kind.value,
            self.agent,
            0 if self.kind in QUICK_KINDS else 1,
            self.max_attempts,
            self.max_model_calls,
            self.timeout_seconds,
            "running" if self.owner else "queued",
            self.owner,
            int(self.owner is not None),
        )

    @property
    def subject(self) -> Subject:
        """Whom its first event is about."""
        return Subject(self.project_id or "", self.workspace, self.task_id, self.id)


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


READY: Final = (
    "SELECT t.id, t.project_id, t.workspace, t.agent, t.max_attempts, t.timeout_seconds, "
    "t.earlier_subtask_id, t.key, p.status, "
    "(SELECT lease_until FROM workers WHERE id = $2) > NOW_US() "
    "FROM tasks t JOIN projects p ON p.id = t.project_id "
    "WHERE t.id IN EACH($1) AND t.status = 'pending' ORDER BY t.project_id, t.node"
)


def queue_tasks(
    turn: Turn, task_ids: Sequence[str], share: Share = NO_SHARE
) -> Transaction[Queued]:
    """Create the `work` subtasks of tasks that are ready: a share is taken over, the rest queued.

    A task that ran before (a retry) gets a new subtask that keeps the recorded steps.
    """
    rows = yield Query(READY, (list(task_ids), share.worker_id))
    if not rows:
        return Queued()
    may_take = sum(row[8] == ProjectState.RUNNING for row in rows) if rows[0][9] else 0
    left = share.of(may_take)
    made: list[NewSubtask] = []
    for row in rows:
        takes = left > 0 and row[8] == ProjectState.RUNNING
        left -= takes
        made.append(_work(row, share.worker_id if takes else None))
    yield Many(INSERT_SUBTASK, [one.row() for one in made])
    given = [
        Gift(one.subject, row[7], one.agent, one.owner) for one, row in zip(made, rows, strict=True)
    ]
    yield from give_subtasks(turn, given)
    retried = [(one.id, one.supersedes) for one in made if one.supersedes]
    if retried:
        yield Many(COPY_STEPS, retried)
    waiting = tuple(one for one in made if not one.owner)
    for project_id in sorted({one.project_id for one in waiting if one.project_id}):
        yield from announce_project(turn, project_id)
    return Queued(waiting, tuple(one for one in made if one.owner))


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
    turn.tell(made.subject, "subtask.queued", kind=made.kind.value)
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
    """Announce queued, due subtasks of a project until its window is full."""
    rows = yield Query(
        "UPDATE subtasks SET announced_at = NOW_US() WHERE id IN "
        "(SELECT id FROM subtasks WHERE project_id = $1 AND status = 'queued' "
        "AND announced_at IS NULL AND run_at <= NOW_US() ORDER BY priority, run_at, id "
        "LIMIT (SELECT CASE WHEN count(*) < CAST($2 AS BIGINT) "
        "THEN CAST($2 AS BIGINT) - count(*) ELSE 0 END FROM subtasks "
        "WHERE project_id = $1 AND status = 'queued' AND announced_at IS NOT NULL)) "
        "RETURNING id, kind",
        (project_id, WINDOW),
    )
    turn.announcements += [Announcement(row[0], row[1] in QUICK_KINDS) for row in rows]


def announce_subtasks(turn: Turn, subtask_ids: Sequence[str]) -> Transaction[None]:
    """Announce these subtasks if they are still queued."""
    rows = yield Query(
        "UPDATE subtasks SET announced_at = NOW_US() "
        "WHERE id IN EACH($1) AND status = 'queued' RETURNING id, kind",
        (list(subtask_ids),),
    )
    turn.announcements += [Announcement(row[0], row[1] in QUICK_KINDS) for row in rows]
