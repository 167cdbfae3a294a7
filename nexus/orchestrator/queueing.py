"""Queued rows and their announcement: what becomes ready is written here, in the same transaction.

A project announces a bounded window of its queued subtasks and tops it up as they are
claimed, so no project can fill the queue.
"""

from collections.abc import Sequence
from typing import Final

from nexus.domain.ids import new_id
from nexus.domain.states import QUICK_KINDS, SubtaskKind
from nexus.models.writing import Many, Query, Transaction, Value
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
    "status, priority, attempt, attempt_open, max_attempts, generation, max_model_calls, claim, "
    "run_at, announced_at, timeout_seconds, requests, input_tokens, output_tokens, cost_pico_usd, "
    "created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', $9, 0, 0, $10, 0, $11, 0, "
    "NOW_US(), NULL, $12, 0, 0, 0, 0, NOW_US())"
)

COPY_STEPS: Final = (
    "INSERT INTO journal (subtask_id, number, workspace, kind, name, key, occurrence, generation, "
    "fingerprint, effect, status, claim, request, request_sha256, request_bytes, result, "
    "result_sha256, result_bytes, outcome, input_tokens, output_tokens, cost_pico_usd, begun_at, "
    "recorded_at) "
    "SELECT CAST($1 AS VARCHAR), number, workspace, kind, name, key, occurrence, 0, fingerprint, "
    "effect, status, 0, request, request_sha256, request_bytes, result, result_sha256, "
    "result_bytes, outcome, 0, 0, 0, begun_at, recorded_at "
    "FROM journal WHERE subtask_id = $2 AND kind = 'step' AND status = 'recorded'"
)


def queue_tasks(turn: Turn, project: Subject, task_ids: Sequence[str]) -> Transaction[list[str]]:
    """Create the queued `work` subtasks of tasks that are ready; return their ids in plan order.

    A task that ran before (a retry) gets a new subtask that keeps the recorded steps.
    """
    rows = yield Query(
        "SELECT node, id, agent, max_attempts, timeout_seconds, subtask_id FROM tasks "
        "WHERE id IN EACH($1) AND status = 'pending' ORDER BY node",
        (list(task_ids),),
    )
    inserts: list[tuple[Value, ...]] = []
    current: list[tuple[Value, ...]] = []
    for _, task_id, agent, attempts, seconds, earlier in rows:
        subtask_id = new_id("sub")
        inserts.append(
            (
                subtask_id,
                project.workspace,
                project.project_id,
                task_id,
                None,
                earlier,
                SubtaskKind.WORK.value,
                agent,
                1,
                attempts,
                MAX_MODEL_CALLS,
                seconds,
            )
        )
        current.append((task_id, subtask_id))
        subject = Subject(project.project_id, project.workspace, task_id, subtask_id)
        turn.tell(subject, "subtask.queued", kind=SubtaskKind.WORK.value)
    if inserts:
        yield Many(INSERT_SUBTASK, inserts)
        yield Many("UPDATE tasks SET subtask_id = $2 WHERE id = $1", current)
        retried = [(row[0], row[5]) for row in inserts if row[5]]
        if retried:
            yield Many(COPY_STEPS, retried)
    return [str(row[0]) for row in inserts]


def queue_planning(turn: Turn, project: Subject) -> Transaction[str]:
    """Create the queued `plan` subtask of a project."""
    subtask_id = new_id("sub")
    yield Many(
        INSERT_SUBTASK,
        [
            (
                subtask_id,
                project.workspace,
                project.project_id,
                None,
                None,
                None,
                SubtaskKind.PLAN.value,
                "manager",
                0,
                PLAN_ATTEMPTS,
                MAX_PLAN_CALLS,
                PLAN_TIMEOUT_SECONDS,
            )
        ],
    )
    subject = Subject(project.project_id, project.workspace, None, subtask_id)
    turn.tell(subject, "subtask.queued", kind=SubtaskKind.PLAN.value)
    return subtask_id


def queue_ingestion(turn: Turn, workspace: str, document_id: str) -> Transaction[str]:
    """Create and announce the queued `ingest` subtask of a document."""
    subtask_id = new_id("sub")
    yield Many(
        INSERT_SUBTASK,
        [
            (
                subtask_id,
                workspace,
                None,
                None,
                document_id,
                None,
                SubtaskKind.INGEST.value,
                "memory",
                1,
                INGEST_ATTEMPTS,
                0,
                INGEST_TIMEOUT_SECONDS,
            )
        ],
    )
    yield from announce_subtasks(turn, [subtask_id])
    return subtask_id


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
