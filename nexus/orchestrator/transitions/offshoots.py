"""Subtasks that come out of others: reviews of an output, and its revisions.

A task's `subtask_id` names the subtask whose output is its output, work or revision, never
a review: so a retry goes on from recorded steps, whatever moment a task was stopped at.
"""

from dataclasses import dataclass
from typing import Final

from nexus.domain.states import SubtaskKind
from nexus.models.writing import Many, Query, Transaction
from nexus.orchestrator.newborn import NewSubtask
from nexus.orchestrator.transitions.closing import INSERT_SUBTASK
from nexus.orchestrator.turn import Subject, Turn

REVIEWER: Final = "qa"
MAX_REVIEW_CALLS: Final = 20


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the review of a task is; `product_id` is of the subtask that made the output."""

    product_id: str
    round: int
    on_rejection: str
    agent: str
    max_attempts: int
    timeout_seconds: float
    output: str
    key: str


def read_stage(review_id: str) -> Transaction[Stage | None]:
    """Read what a review is about."""
    rows = yield Query(
        "SELECT o.parent_id, o.round, t.on_rejection, t.agent, t.max_attempts, t.timeout_seconds, "
        "s.output, t.key FROM offshoots o JOIN subtasks s ON s.id = o.parent_id "
        "JOIN tasks t ON t.id = s.task_id WHERE o.subtask_id = $1",
        (review_id,),
    )
    return Stage(*rows[0]) if rows else None


def queue_review(turn: Turn, product: Subject) -> Transaction[None]:
    """Queue the review of what a subtask made; the task's time limit goes on running."""
    rows = yield Query(
        "SELECT s.max_attempts, s.timeout_seconds, COALESCE((SELECT o.round FROM offshoots o "
        "WHERE o.subtask_id = s.id), 0) FROM subtasks s WHERE s.id = $1",
        (product.subtask_id,),
    )
    attempts, seconds, number = rows[0]
    made = NewSubtask(
        SubtaskKind.REVIEW,
        REVIEWER,
        product.workspace,
        project_id=product.project_id,
        task_id=product.task_id,
        max_attempts=attempts,
        max_model_calls=MAX_REVIEW_CALLS,
        timeout_seconds=seconds,
    )
    yield from _add(turn, made, product.subtask_id or "", number)


def queue_revision(turn: Turn, review: Subject, stage: Stage) -> Transaction[None]:
    """Queue the revision of a rejected output, which becomes its task's current subtask.

    It keeps what `COPY_CALLS` keeps of the output it revises: recorded steps above all.
    """
    made = NewSubtask(
        SubtaskKind.REVISE,
        stage.agent,
        review.workspace,
        project_id=review.project_id,
        task_id=review.task_id,
        supersedes=stage.product_id,
        max_attempts=stage.max_attempts,
        timeout_seconds=stage.timeout_seconds,
    )
    yield from _add(turn, made, review.subtask_id or "", stage.round + 1)
    turn.copies.append((made.id, stage.product_id))
    yield from point_to(review.task_id or "", made.id)


def point_to(task_id: str, subtask_id: str) -> Transaction[None]:
    """Make a subtask the one whose output is that of its running task."""
    yield Query(
        "UPDATE tasks SET subtask_id = $2 WHERE id = $1 AND status = 'running'",
        (task_id, subtask_id),
    )


def _add(turn: Turn, made: NewSubtask, parent_id: str, number: int) -> Transaction[None]:
    yield Many(INSERT_SUBTASK, [made.row()])
    yield Query(
        "UPDATE subtasks SET deadline_at = (SELECT p.deadline_at FROM subtasks p WHERE p.id = $2) "
        "WHERE id = $1",
        (made.id, parent_id),
    )
    yield Query(
        "INSERT INTO offshoots (subtask_id, workspace, project_id, parent_id, round) "
        "VALUES ($1, $2, $3, $4, $5)",
        (made.id, made.workspace, made.project_id, parent_id, number),
    )
    turn.tell(made.subject(None), "subtask.queued", kind=made.kind.value)
    turn.waiting.add(made.project_id or "")
