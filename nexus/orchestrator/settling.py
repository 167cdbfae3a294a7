"""Settle: record an outcome and advance the graph, one transaction, once."""

import random
from dataclasses import dataclass, field
from typing import Final

from nexus.domain.graph import Graph
from nexus.domain.plan import Plan
from nexus.domain.seam import Json
from nexus.domain.states import ProjectState, SubtaskKind, SubtaskState, TaskState
from nexus.domain.text import clean, dumps
from nexus.errors import Fenced
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.advancing import advance, advance_past_failure
from nexus.orchestrator.claiming import Claimed, claim
from nexus.orchestrator.planting import plant_plan, ready_tasks
from nexus.orchestrator.queueing import announce_project, queue_tasks
from nexus.orchestrator.transitions import (
    Held,
    finish_subtask,
    finish_task,
    move_project,
    requeue_subtask,
)
from nexus.orchestrator.turn import Subject, Turn, lock_projects_of

BACKOFF_FIRST_SECONDS: Final = 1.0
BACKOFF_CAP_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an attempt failed. `again`: another attempt may help; `own_making`: the model's own
    making, so its replies are asked for afresh."""

    code: str
    message: str
    hint: str | None = None
    again: bool = True
    own_making: bool = False
    retry_after_seconds: float | None = None

    def error(self, task_id: str | None) -> dict[str, Json]:
        """Write it as the API shows errors."""
        return {
            "code": self.code,
            "message": clean(self.message)[:2_000],
            "task_id": task_id,
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt came to: an output, a plan, passages of a document, or a problem."""

    output: str | None = None
    plan: Plan | None = None
    graph: Graph | None = None
    passages: int | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """What the settling worker may take over of the work it frees."""

    free_slots: int = 0
    live_workers: int = 1

    def of(self, freed: int) -> int:
        """Its fair share: freed work over live workers, rounded up, at most its free slots."""
        return min(self.free_slots, -(-freed // max(1, self.live_workers)))


@dataclass(slots=True)
class Settled:
    """What settling led to; `taken` subtasks are claimed by the settling worker already."""

    taken: list[Claimed] = field(default_factory=list)


def settle(turn: Turn, held: Held, outcome: Outcome, share: Share) -> Transaction[Settled]:
    """Record the outcome of a claim and move everything on that waited for it.

    Raises:
        Fenced: the claim is not held any more; nothing was written.
    """
    yield from lock_projects_of([held.subtask_id])
    if outcome.problem:
        yield from settle_problem(turn, held, outcome.problem)
        return Settled()
    row = yield from finish_subtask(
        turn, held, SubtaskState.SUCCEEDED, output=clean(outcome.output or "")
    )
    if row is None:
        raise Fenced(f"the claim on {held.subtask_id} is not held any more")
    queued: list[str] = []
    if row[4] == SubtaskKind.INGEST:
        yield from _finish_document(row[5], passages=outcome.passages or 0)
    elif outcome.plan and outcome.graph:
        queued = yield from _accept_plan(turn, _subject(held, row), outcome.plan, outcome.graph)
    elif row[2]:
        queued = yield from _finish_work(turn, _subject(held, row))
    taken: list[Claimed] = []
    if queued and share.of(len(queued)):
        mine = queued[: share.of(len(queued))]
        taken = yield from claim(turn, held.owner, mine, locked=True)
        claimed = {one.held.subtask_id for one in taken}
        turn.announcements = [a for a in turn.announcements if a.subtask_id not in claimed]
    return Settled(taken)


def settle_problem(turn: Turn, held: Held, problem: Problem) -> Transaction[None]:
    """Begin another attempt, or fail the subtask and what hangs on it.

    Raises:
        Fenced: the claim is not held any more.
    """
    rows = yield Query(
        "SELECT task_id, attempt, max_attempts, deadline_at - NOW_US(), max_model_calls "
        "FROM subtasks "
        "WHERE id = $1 AND claim = $2 AND owner = $3 AND status = 'running' FOR UPDATE",
        (held.subtask_id, held.claim, held.owner),
    )
    if not rows:
        raise Fenced(f"the claim on {held.subtask_id} is not held any more")
    task_id, attempt, max_attempts, left_us, most_calls = rows[0]
    delay_us = int(_pause_seconds(attempt, problem) * 1_000_000)
    again = problem.again and attempt < max_attempts and delay_us < left_us
    if again and not (yield from _is_out_of_calls(held, problem, most_calls)):
        yield from requeue_subtask(
            turn,
            held,
            delay_us=delay_us,
            error=problem.error(task_id),
            new_generation=problem.own_making,
        )
        return
    error = problem.error(task_id)
    row = yield from finish_subtask(turn, held, SubtaskState.FAILED, error=error)
    if row is not None:
        yield from fail_what_hangs_on(turn, held.subtask_id, row, error)


def _is_out_of_calls(held: Held, problem: Problem, most: int) -> Transaction[bool]:
    """Tell whether the model would have to be asked anew and may not: this problem is the last word."""
    if not problem.own_making:
        return False
    rows = yield Query(
        "SELECT count(*) FROM journal WHERE subtask_id = $1 AND kind = 'model'", (held.subtask_id,)
    )
    return bool(rows[0][0] >= most)


def _pause_seconds(attempt: int, problem: Problem) -> float:
    """Full jitter (Brooker, AWS Architecture Blog, 2015); a server's Retry-After is a floor."""
    ceiling = min(BACKOFF_CAP_SECONDS, BACKOFF_FIRST_SECONDS * 2 ** (attempt - 1))
    jitter = random.SystemRandom().uniform(0, ceiling)
    return max(jitter, problem.retry_after_seconds or 0.0)


def fail_what_hangs_on(
    turn: Turn, subtask_id: str, row: Row, error: dict[str, Json]
) -> Transaction[None]:
    """Fail the task, document or project whose subtask has failed for good."""
    project_id, workspace, task_id, attempt, kind, document_id = row
    if kind == SubtaskKind.INGEST:
        yield from _finish_document(document_id, error=error)
        return
    subject = Subject(project_id, workspace, task_id, subtask_id, attempt)
    if not task_id:
        yield from move_project(
            turn, Subject(project_id, workspace), ProjectState.FAILED, "project.failed", error=error
        )
        return
    key = yield from finish_task(turn, subject, TaskState.FAILED, error)
    if key is None:
        return
    project = Subject(project_id, workspace)
    node = yield from _node_of(task_id)
    yield from advance_past_failure(turn, project, node, key)


def _subject(held: Held, row: Row) -> Subject:
    return Subject(row[0], row[1], row[2], held.subtask_id, row[3])


def _node_of(task_id: str) -> Transaction[int]:
    rows = yield Query("SELECT node FROM tasks WHERE id = $1", (task_id,))
    node: int = rows[0][0]
    return node


def _finish_work(turn: Turn, subject: Subject) -> Transaction[list[str]]:
    key = yield from finish_task(turn, subject, TaskState.SUCCEEDED)
    if key is None:
        return []
    node = yield from _node_of(subject.task_id or "")
    project = Subject(subject.project_id, subject.workspace)
    return (yield from advance(turn, project, [node], succeeded=1))


def _finish_document(
    document_id: str, *, passages: int = 0, error: Json = None
) -> Transaction[None]:
    yield Query(
        "UPDATE documents SET status = $2, passages = $3, error = $4 "
        "WHERE id = $1 AND status = 'processing'",
        (
            document_id,
            "failed" if error else "ready",
            passages,
            dumps(error) if error else None,
        ),
    )


def _accept_plan(turn: Turn, subject: Subject, plan: Plan, graph: Graph) -> Transaction[list[str]]:
    """Store the plan the ManagerAgent wrote; start it at once where the project asked for it."""
    project = Subject(subject.project_id, subject.workspace)
    version = yield from plant_plan(project, plan, graph, "manager")
    moved = yield from move_project(
        turn,
        project,
        ProjectState.PLANNED,
        "project.planned",
        plan_version=version,
        tasks=len(graph.keys),
    )
    rows = yield Query("SELECT auto_execute FROM projects WHERE id = $1", (project.project_id,))
    if not (moved and rows[0][0]):
        return []
    return (yield from start(turn, project))


def start(turn: Turn, project: Subject) -> Transaction[list[str]]:
    """Move a planned project to running and queue what is ready; return the queued subtasks."""
    yield from move_project(turn, project, ProjectState.RUNNING, "project.started")
    ready = yield from ready_tasks(project.project_id)
    queued = yield from queue_tasks(turn, project, ready)
    yield from announce_project(turn, project.project_id)
    return queued
