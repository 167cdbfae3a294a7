"""Moves of subtasks: they are claimed, end, go back to the queue and are cancelled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nexus.domain.seam import Json
from nexus.domain.states import (
    SUBTASK_MOVES,
    SubtaskKind,
    SubtaskState,
)
from nexus.domain.text import dumps
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.turn import Subject, Turn

OPEN_SUBTASKS: Final = tuple(
    s.value for s in SubtaskState if SubtaskState.CANCELLED in SUBTASK_MOVES[s]
)


@dataclass(frozen=True, slots=True)
class Held:
    """A claim somebody holds on a running subtask: what every write of theirs must match."""

    subtask_id: str
    claim: int
    owner: str


def is_held(held: Held) -> Transaction[bool]:
    """Tell whether a claim is still held."""
    rows = yield Query(
        "SELECT 1 FROM subtasks WHERE id = $1 AND claim = $2 AND owner = $3 AND status = 'running'",
        (held.subtask_id, held.claim, held.owner),
    )
    return bool(rows)


def claim_subtasks(
    turn: Turn, worker_id: str, subtask_ids: Sequence[str]
) -> Transaction[list[Row]]:
    """Move queued, due subtasks to running under `worker_id`; rows are (id, attempt, …, has a budget).

    The attempt is counted here, before anything runs, so that one that kills its worker
    is counted too. A worker whose lease is over gets nothing.
    """
    rows = yield Query(
        "UPDATE subtasks SET status = 'running', owner = $2, claim = claim + 1, "
        "attempt = attempt + 1 - attempt_open, attempt_open = 1, "
        "started_at = COALESCE(started_at, NOW_US()), announced_at = NULL, "
        "deadline_at = COALESCE(deadline_at, "
        "NOW_US() + CAST(timeout_seconds * 1000000 AS BIGINT)) "
        "WHERE id IN EACH($1) AND status = 'queued' AND run_at <= NOW_US() "
        "AND EXISTS (SELECT 1 FROM workers w WHERE w.id = $2 AND w.lease_until > NOW_US()) "
        "AND (project_id IS NULL OR EXISTS (SELECT 1 FROM projects p "
        "WHERE p.id = subtasks.project_id AND p.status IN ('running', 'planning'))) "
        "RETURNING id, attempt, claim, workspace, project_id, task_id, document_id, kind, agent, "
        "max_attempts, generation, max_model_calls, timeout_seconds, deadline_at - NOW_US(), "
        "supersedes, EXISTS (SELECT 1 FROM projects p WHERE p.id = subtasks.project_id "
        "AND p.budget IS NOT NULL)",
        (list(subtask_ids), worker_id),
    )
    for row in rows:
        if row[4]:
            subject = Subject(row[4], row[3], row[5], row[0], row[1])
            turn.tell(subject, "subtask.started", kind=row[7], worker=worker_id)
    return rows


def finish_subtasks(
    turn: Turn, outputs: Sequence[tuple[Held, str | None]], then: SubtaskState, error: Json = None
) -> Transaction[list[Row]]:
    """Move running subtasks of one worker to a terminal state, each with its output.

    Returns:
        (id, project_id, workspace, task_id, attempt, kind, document_id) of those whose
        claim is still held, in the order given.
    """
    rows = yield Query(
        "UPDATE subtasks SET status = $3, output = j.result, error = $4, finished_at = NOW_US(), "
        "owner = NULL FROM EACH OF $1 (subtask TEXT, number BIGINT, result TEXT) AS j "
        "WHERE subtasks.id = j.subtask AND claim = j.number AND COALESCE(owner, '') = $2 "
        "AND status = 'running' "
        "RETURNING id, project_id, workspace, task_id, attempt, kind, document_id",
        (
            [(held.subtask_id, held.claim, output) for held, output in outputs],
            outputs[0][0].owner,
            then.value,
            None if error is None else dumps(error),
        ),
    )
    moved = {row[0]: row for row in rows}
    ordered = [moved[held.subtask_id] for held, _ in outputs if held.subtask_id in moved]
    tell_finished_subtasks(turn, ordered, then, error)
    return ordered


def tell_finished_subtasks(
    turn: Turn, rows: Sequence[Row], then: SubtaskState, error: Json = None
) -> None:
    """Tell of subtasks that moved, rows as `finish_subtasks` returns them."""
    told: dict[str, Json] = {"error": error} if then is SubtaskState.FAILED else {}
    for row in rows:
        if row[1]:
            turn.tell(subject_of(row), f"subtask.{then.value}", **told)


def subject_of(row: Row) -> Subject:
    """Name whom a row of `finish_subtasks` is about."""
    return Subject(row[1], row[2], row[3], row[0], row[4])


def requeue_subtask(
    turn: Turn, held: Held, *, delay_us: int, error: Json, new_generation: bool
) -> Transaction[bool]:
    """Put a running subtask back for another attempt, not before `delay_us` from now."""
    rows = yield Query(
        "UPDATE subtasks SET status = 'queued', owner = NULL, claim = claim + 1, "
        "attempt_open = 0, announced_at = NULL, run_at = NOW_US() + $4, error = $5, "
        "generation = generation + $6 "
        "WHERE id = $1 AND claim = $2 AND owner = $3 AND status = 'running' "
        "RETURNING project_id, workspace, task_id, attempt, run_at",
        (held.subtask_id, held.claim, held.owner, delay_us, dumps(error), int(new_generation)),
    )
    if rows and rows[0][0]:
        subject = Subject(rows[0][0], rows[0][1], rows[0][2], held.subtask_id, rows[0][3])
        turn.tell(subject, "subtask.retrying", error=error, run_at=rows[0][4])
    return bool(rows)


def release_subtask(turn: Turn, held: Held, reason: str) -> Transaction[bool]:
    """Put a running subtask back with its attempt still open: nothing is counted against it."""
    rows = yield Query(
        "UPDATE subtasks SET status = 'queued', owner = NULL, claim = claim + 1, "
        "announced_at = NULL "
        "WHERE id = $1 AND claim = $2 AND owner = $3 AND status = 'running' "
        "RETURNING project_id, workspace, task_id, attempt",
        (held.subtask_id, held.claim, held.owner),
    )
    if rows and rows[0][0]:
        subject = Subject(rows[0][0], rows[0][1], rows[0][2], held.subtask_id, rows[0][3])
        turn.tell(subject, "subtask.released", reason=reason)
    return bool(rows)


def defer_subtask(
    turn: Turn, held: Held, *, delay_us: int, error: dict[str, Json], stops_clock: bool = False
) -> Transaction[None]:
    """Put a running subtask back until later, its attempt still open.

    With `stops_clock` its time limit begins anew when it is claimed again.
    """
    rows = yield Query(
        "UPDATE subtasks SET status = 'queued', owner = NULL, claim = claim + 1, "
        "announced_at = NULL, run_at = NOW_US() + $4, error = $5, "
        "deadline_at = CASE WHEN $6 = 1 THEN NULL ELSE deadline_at END "
        "WHERE id = $1 AND claim = $2 AND owner = $3 AND status = 'running' "
        "RETURNING project_id, workspace, task_id, attempt",
        (held.subtask_id, held.claim, held.owner, delay_us, dumps(error), int(stops_clock)),
    )
    if rows and rows[0][0]:
        subject = Subject(rows[0][0], rows[0][1], rows[0][2], held.subtask_id, rows[0][3])
        turn.tell(subject, "subtask.released", reason=error["message"])


def fail_queued_subtask(turn: Turn, subtask_id: str, error: Json) -> Transaction[Row | None]:
    """Fail a subtask whose time is over while it waited in the queue; rows as `finish_subtasks`."""
    rows = yield Query(
        "UPDATE subtasks SET status = 'failed', error = $2, finished_at = NOW_US() "
        "WHERE id = $1 AND status = 'queued' AND deadline_at < NOW_US() AND NOT EXISTS "
        "(SELECT 1 FROM projects p WHERE p.id = project_id AND p.status = 'paused') "
        "RETURNING id, project_id, workspace, task_id, attempt, kind, document_id",
        (subtask_id, dumps(error)),
    )
    if not rows:
        return None
    if rows[0][1]:
        turn.tell(subject_of(rows[0]), "subtask.failed", error=error)
    return rows[0]


def cancel_ingestion(document_id: str) -> Transaction[None]:
    """Cancel what is being done for a document that is going away."""
    yield Query(
        "UPDATE subtasks SET status = 'cancelled', finished_at = NOW_US(), owner = NULL "
        "WHERE document_id = $1 AND status IN EACH($2)",
        (document_id, list(OPEN_SUBTASKS)),
    )


def cancel_answers(turn: Turn, subtask_ids: Sequence[str]) -> Transaction[None]:
    """Cancel those of these `chat` subtasks that are not over, and wake who waits for them."""
    yield Query(
        "UPDATE subtasks SET status = 'cancelled', finished_at = NOW_US(), owner = NULL "
        "WHERE id IN EACH($1) AND status IN EACH($2)",
        (list(subtask_ids), list(OPEN_SUBTASKS)),
    )
    turn.touched.update(subtask_ids)


def cancel_subtasks(turn: Turn, project: Subject) -> Transaction[None]:
    """Cancel every subtask of a project that is not over."""
    yield from _cancel(turn, project, list(SubtaskKind))


def cancel_amendment(turn: Turn, project: Subject) -> Transaction[None]:
    """Cancel an amendment of a project's plan that is on its way."""
    yield from _cancel(turn, project, [SubtaskKind.REPLAN])


def _cancel(turn: Turn, project: Subject, kinds: list[SubtaskKind]) -> Transaction[None]:
    rows = yield Query(
        "UPDATE subtasks SET status = 'cancelled', finished_at = NOW_US(), owner = NULL "
        "WHERE project_id = $1 AND status IN EACH($2) AND kind IN EACH($3) "
        "RETURNING id, task_id, attempt",
        (project.project_id, list(OPEN_SUBTASKS), [kind.value for kind in kinds]),
    )
    for subtask_id, task_id, attempt in sorted(map(tuple, rows)):
        subject = Subject(project.project_id, project.workspace, task_id, subtask_id, attempt)
        turn.tell(subject, "subtask.cancelled")


def withdraw_subtasks(turn: Turn, project: Subject, task_ids: Sequence[str]) -> Transaction[None]:
    """Cancel the queued subtasks of pending tasks, which let go of them. Phases are counted after."""
    rows = yield Query(
        "UPDATE subtasks SET status = 'cancelled', finished_at = NOW_US() "
        "WHERE status = 'queued' AND id IN (SELECT subtask_id FROM tasks "
        "WHERE id IN EACH($1) AND status = 'pending') RETURNING id, task_id, attempt",
        (list(task_ids),),
    )
    for subtask_id, task_id, attempt in sorted(map(tuple, rows)):
        subject = Subject(project.project_id, project.workspace, task_id, subtask_id, attempt)
        turn.tell(subject, "subtask.cancelled")
    yield Query(
        "UPDATE tasks SET subtask_id = NULL WHERE id IN EACH($1) AND status = 'pending'",
        (list(task_ids),),
    )


def forget_announcements(project_id: str) -> Transaction[None]:
    """Take queued subtasks of a project that pauses for unannounced: workers pass them over."""
    yield Query(
        "UPDATE subtasks SET announced_at = NULL WHERE project_id = $1 AND status = 'queued' "
        "AND announced_at IS NOT NULL",
        (project_id,),
    )


def give_time_back(project_id: str) -> Transaction[None]:
    """Move the time limits of what was queued by as long as its project has been paused."""
    rows = yield Query(
        "SELECT NOW_US() - at FROM events WHERE project_id = $1 AND type = 'project.paused' "
        "ORDER BY seq DESC LIMIT 1",
        (project_id,),
    )
    yield Query(
        "UPDATE subtasks SET deadline_at = deadline_at + $2 WHERE project_id = $1 "
        "AND status = 'queued' AND deadline_at IS NOT NULL",
        (project_id, rows[0][0] if rows else 0),
    )
