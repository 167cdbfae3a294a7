"""Settle: record an outcome and advance the graph, one transaction, once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from nexus.domain.plan import Plan
from nexus.domain.seam import Json
from nexus.domain.states import ProjectState, SubtaskKind, SubtaskState, TaskState
from nexus.domain.text import clean
from nexus.errors import CallerError, Fenced
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.advancing import close
from nexus.orchestrator.amending import amend_plan
from nexus.orchestrator.backoff import pause_seconds
from nexus.orchestrator.claiming import Claimed, claim_taken
from nexus.orchestrator.delegating import end_part, settle_part
from nexus.orchestrator.documents import finish_document
from nexus.orchestrator.material import Recall
from nexus.orchestrator.outcomes import Outcome, Problem
from nexus.orchestrator.planting import plant_plan
from nexus.orchestrator.queueing import Queued, Share, queue_ready
from nexus.orchestrator.replanning import (
    consider_stall,
    fail_task,
    fit_amendment,
    go_on,
)
from nexus.orchestrator.reviewing import settle_verdict, submit
from nexus.orchestrator.starting import start_unless_asked
from nexus.orchestrator.transitions.ending import end_work
from nexus.orchestrator.transitions.projects import move_project
from nexus.orchestrator.transitions.subtasks import (
    Held,
    defer_subtask,
    finish_subtasks,
    requeue_subtask,
    subject_of,
    tell_finished_subtasks,
)
from nexus.orchestrator.transitions.tasks import tell_finished_tasks
from nexus.orchestrator.turn import Subject, Turn

LIMIT_SECONDS: Final = 1.0
"""How long a rate limit that names no time is waited for."""


@dataclass(slots=True)
class Settled:
    """What settling led to: claims that were not held any more, and work taken over."""

    fenced: set[Held] = field(default_factory=set)
    taken: list[Claimed] = field(default_factory=list)


def settle_well(
    turn: Turn, outcomes: Sequence[tuple[Held, Outcome]], share: Share, recall: Recall
) -> Transaction[Settled]:
    """Record what one worker's claims came to when all went well; projects are locked already."""
    settled = Settled()
    work: list[tuple[Held, str]] = []
    for held, outcome in outcomes:
        if outcome.ends_task:
            work.append((held, clean(outcome.output or "")))
            continue
        queued = yield from _settle_rare(turn, held, outcome, share)
        if queued is None:
            settled.fenced.add(held)
            continue
        share = share.without(len(queued.taken))
        settled.taken += yield from claim_taken(queued.taken, recall, {})
    if work:
        yield from _settle_work(turn, work, share, recall, settled)
    return settled


def _settle_work(
    turn: Turn,
    work: Sequence[tuple[Held, str]],
    share: Share,
    recall: Recall,
    settled: Settled,
) -> Transaction[None]:
    """Settle the work of tasks: a handful of statements, however many there are."""
    held_by = work[0][0].owner
    ended = yield from end_work(work, held_by, share.free_slots)
    found = {Held(row[0], row[7], held_by): row for row in ended.subtasks}
    settled.fenced |= {held for held, _ in work} - found.keys()
    well = [(held, output) for held, output in work if held in found]
    rows = [found[held] for held, _ in well]
    tell_finished_subtasks(turn, rows, SubtaskState.SUCCEEDED)
    subjects = [subject_of(row) for row in rows]
    tell_finished_tasks(turn, subjects, ended.tasks, TaskState.SUCCEEDED)
    for row in ended.tasks:
        turn.count(row[1], row[4], "running", "succeeded")
    taken = queue_ready(turn, ended.ready, share).taken
    outputs = {held.subtask_id: output for held, output in well}
    settled.taken += yield from claim_taken(taken, recall, outputs, ended.briefs)


def _settle_rare(
    turn: Turn, held: Held, outcome: Outcome, share: Share
) -> Transaction[Queued | None]:
    """Settle what does not simply end its task; None if the claim is not held any more."""
    if outcome.verdict:
        return (yield from settle_verdict(turn, held, outcome.verdict, share))
    if outcome.is_part:
        return (
            Queued() if (yield from settle_part(turn, held, clean(outcome.output or ""))) else None
        )
    if outcome.is_reviewed:
        is_held = yield from submit(turn, held, clean(outcome.output or ""))
        return Queued() if is_held else None
    if outcome.amends and outcome.plan:
        return (yield from _settle_amendment(turn, held, outcome, outcome.plan))
    rows = yield from finish_subtasks(
        turn, [(held, clean(outcome.output or ""))], SubtaskState.SUCCEEDED
    )
    if not rows:
        return None
    if outcome.plan and outcome.graph:
        return (yield from _accept_plan(turn, subject_of(rows[0]), outcome, share))
    yield from _settle_apart(turn, rows[0], outcome)
    return Queued()


def _settle_apart(turn: Turn, row: Row, outcome: Outcome) -> Transaction[None]:
    """Settle what belongs to no project."""
    if outcome.is_chat:
        turn.touched.add(row[0])
    elif outcome.reading:
        yield from finish_document(row[2], row[6], outcome.reading)


def _settle_amendment(
    turn: Turn, held: Held, outcome: Outcome, plan: Plan
) -> Transaction[Queued | None]:
    """Settle an amendment of a plan; None if the claim is not held any more.

    What the transaction has gathered so far is written first: an amendment counts anew.
    """
    yield from close(turn)
    rows = yield Query(
        "SELECT project_id, workspace FROM subtasks "
        "WHERE id = $1 AND claim = $2 AND owner = $3 AND status = 'running'",
        (held.subtask_id, held.claim, held.owner),
    )
    if not rows:
        return None
    project = Subject(rows[0][0], rows[0][1])
    try:
        new = yield from fit_amendment(project, plan, held.subtask_id)
        told = replace(new, reason=outcome.reason, safe=outcome.safe)
        yield from amend_plan(turn, project, told)
    except CallerError as wrong:  # nothing was written
        again = Problem("plan_moved_on", wrong.message, wrong.hint, own_making=True)
        yield from settle_problem(turn, held, again)
        return Queued()
    yield from finish_subtasks(turn, [(held, "")], SubtaskState.SUCCEEDED)
    yield from go_on(turn, project)
    return Queued()


def settle_problem(turn: Turn, held: Held, problem: Problem) -> Transaction[None]:
    """Begin another attempt, or fail the subtask and what hangs on it.

    Raises:
        Fenced: the claim is not held any more.
    """
    rows = yield Query(
        "SELECT task_id, attempt, max_attempts, deadline_at - NOW_US(), max_model_calls, "
        "project_id, workspace FROM subtasks "
        "WHERE id = $1 AND claim = $2 AND owner = $3 AND status = 'running' FOR UPDATE",
        (held.subtask_id, held.claim, held.owner),
    )
    if not rows:
        raise Fenced(f"the claim on {held.subtask_id} is not held any more")
    task_id, attempt, max_attempts, left_us, most_calls, *_ = rows[0]
    delay_us = int(_pause_seconds(attempt, problem) * 1_000_000)
    if problem.is_postponed and (problem.stops_clock or delay_us < left_us):
        error = problem.error(task_id)
        yield from defer_subtask(
            turn, held, delay_us=delay_us, error=error, stops_clock=problem.stops_clock
        )
        return
    again = problem.again and attempt < max_attempts and delay_us < left_us
    if again and not (yield from _is_out_of_calls(held, problem, most_calls)):
        yield from requeue_subtask(
            turn,
            held,
            delay_us=delay_us,
            error=problem.error(task_id),
            new_generation=problem.own_making,
        )
        if task_id:
            yield from consider_stall(turn, Subject(rows[0][5], rows[0][6]))
        return
    error = problem.error(task_id)
    for row in (yield from finish_subtasks(turn, [(held, None)], SubtaskState.FAILED, error)):
        yield from fail_what_hangs_on(turn, row, error)


def _pause_seconds(attempt: int, problem: Problem) -> float:
    if problem.is_postponed:
        return problem.retry_after_seconds or LIMIT_SECONDS
    return pause_seconds(attempt, problem.retry_after_seconds, is_chance=problem.is_chance)


def _is_out_of_calls(held: Held, problem: Problem, most: int) -> Transaction[bool]:
    """Tell whether the model would have to be asked anew and may not: this problem is the last word."""
    if not problem.own_making:
        return False
    rows = yield Query(
        "SELECT count(*) FROM journal WHERE subtask_id = $1 AND kind = 'model'", (held.subtask_id,)
    )
    return bool(rows[0][0] >= most)


def fail_what_hangs_on(turn: Turn, row: Row, error: dict[str, Json]) -> Transaction[None]:
    """Fail the task, document or project whose subtask (a row of `finish_subtasks`) has failed.

    Of a delegated part nothing fails, its parent reads what became of it; of an answer in a
    conversation nothing does but who waits for it hears.
    """
    if row[5] == SubtaskKind.INGEST:
        yield from finish_document(row[2], row[6], None, error)
        return
    if row[5] == SubtaskKind.CHAT:
        turn.touched.add(row[0])
        return
    if row[5] == SubtaskKind.REMEMBER:
        return
    subject = subject_of(row)
    project = Subject(subject.project_id, subject.workspace)
    if row[5] == SubtaskKind.REPLAN:
        yield from go_on(turn, project, error)
        return
    if row[5] == SubtaskKind.DELEGATED:
        yield from end_part(turn, subject)
        return
    if not subject.task_id:
        yield from move_project(turn, project, ProjectState.FAILED, "project.failed", error=error)
        return
    yield from fail_task(turn, subject, error)


def _accept_plan(
    turn: Turn, subject: Subject, outcome: Outcome, share: Share
) -> Transaction[Queued]:
    """Store the plan the ManagerAgent wrote; start it at once where the project asked for it."""
    project = Subject(subject.project_id, subject.workspace)
    if outcome.plan is None or outcome.graph is None:
        return Queued()
    version = yield from plant_plan(project, outcome.plan, outcome.graph, "manager")
    moved = yield from move_project(
        turn,
        project,
        ProjectState.PLANNED,
        "project.planned",
        plan_version=version,
        tasks=len(outcome.graph.keys),
        safe=outcome.safe,
        error=None,
    )
    return (yield from start_unless_asked(turn, project, share)) if moved else Queued()
