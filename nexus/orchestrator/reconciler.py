"""The reconciler: on every worker, in the pulse's thread, puts right what a crash or Redis left.

Each pass looks first and writes only where something is wrong. Everything it does is
compare-and-set, so any number of reconcilers may run at once.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from nexus.errors import ServiceMissing
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.budgeting import look_after, neglected
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.judging import LOST, time_over
from nexus.orchestrator.queueing import announce_project, announce_subtasks
from nexus.orchestrator.settling import fail_what_hangs_on, settle_problem
from nexus.orchestrator.transitions.subtasks import (
    Held,
    fail_queued_subtask,
    is_held,
    release_subtask,
)
from nexus.orchestrator.turn import Turn, lock_projects, lock_projects_of

BATCH: Final = 200
GRACE_US: Final = 2_000_000
REANNOUNCE_US: Final = 2_000_000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wrong:
    """What one look found: claims without a lease, the overdue, budgets with room, and what the
    queue was not told of."""

    lost: list[Held]
    overdue: list["Overdue"]
    projects: list[str]
    others: list[str]
    budgets: list[str]
    is_any_stale: bool


async def reconcile(
    engine: WorkflowEngine, worker_id: str, *, judging: bool = True, hung: bool = False
) -> None:
    """Make one pass for a worker: others' lost leases, overdue tasks, rows the queue does not know.

    Args:
        judging: a lease that is over means a dead worker; otherwise only one that was found
            dead, or is unknown, loses what it holds.
        hung: the worker itself is; maybe nobody else ends what it holds for too long.
    """
    found = await engine.run(lambda turn: _look(worker_id, judging, hung))
    for held in found.lost:
        await engine.run(partial(_return_lost, held=held), "return")
    for overdue in found.overdue:
        await engine.run(partial(_end_overdue, overdue=overdue))
    for project_id in found.budgets:
        await engine.run(partial(look_after, project_id=project_id))
    others = found.others
    if not others and found.is_any_stale:
        others = await _lost_announcements(engine)
    if found.projects or others:
        await engine.run(lambda turn: _announce(turn, found.projects, others), "announce")


def _look(worker_id: str, judging: bool, hung: bool) -> Transaction[Wrong]:
    lost = yield from _lost_claims(worker_id, judging)
    overdue = yield from _overdue(judging or hung)
    projects, others = yield from _unannounced()
    budgets = yield from neglected()
    return Wrong(lost, overdue, projects, others, budgets, (yield from _is_any_stale()))


async def return_claim(engine: WorkflowEngine, held: Held) -> None:
    """Count an attempt as lost and put the subtask back, or fail it after its last one."""
    await engine.run(lambda turn: _return_lost(turn, held), "return")


async def give_back(engine: WorkflowEngine, held: Held) -> None:
    """Put a claimed subtask that was never begun back, its attempt uncounted, and announce it."""
    await engine.run(lambda turn: _give_back(turn, held), "return")


def _give_back(turn: Turn, held: Held) -> Transaction[None]:
    yield from lock_projects_of([held.subtask_id])
    if (yield from release_subtask(turn, held, "the answer to its claim was lost")):
        yield from announce_subtasks(turn, [held.subtask_id])


def _lost_claims(but_of: str = "", judging: bool = True) -> Transaction[list[Held]]:
    """List running subtasks whose worker is dead or unknown.

    `but_of` is who asks: a worker that was late, or slept with its machine, is alive all the
    same, renews its lease in a moment and goes on with what nobody else took.
    """
    rows = yield Query(
        "SELECT s.id, s.claim, s.owner FROM subtasks s LEFT JOIN workers w ON w.id = s.owner "
        "WHERE s.status = 'running' AND (w.id IS NULL OR w.status = 'gone' "
        "OR ($3 = 1 AND w.lease_until < NOW_US())) AND s.owner <> $2 LIMIT $1",
        (BATCH, but_of, int(judging)),
    )
    return [Held(row[0], row[1], row[2]) for row in rows]


def _return_lost(turn: Turn, held: Held) -> Transaction[None]:
    yield from lock_projects_of([held.subtask_id])
    rows = yield Query(
        "SELECT project_id FROM subtasks "
        "WHERE id = $1 AND claim = $2 AND owner = $3 AND status = 'running'",
        (held.subtask_id, held.claim, held.owner),
    )
    if not rows:
        return  # somebody else was quicker
    log.info("subtask.lease_lost", subtask_id=held.subtask_id, worker=held.owner)
    yield from settle_problem(turn, held, LOST)
    if rows[0][0]:
        yield from announce_project(turn, rows[0][0])


@dataclass(frozen=True, slots=True)
class Overdue:
    """A subtask past its time limit; `held` says whose it is while it runs."""

    subtask_id: str
    timeout_seconds: float
    held: Held | None


def _overdue(judging: bool) -> Transaction[list[Overdue]]:
    """List subtasks past their time limit that no worker ended; a paused project's time rests.

    What runs may have ended while the database was away, and only wait to be saved: until
    others may be judged again it is left to its own worker.
    """
    rows = yield Query(
        "SELECT id, timeout_seconds, status, claim, owner FROM subtasks "
        "WHERE status IN ('queued', 'running') AND deadline_at IS NOT NULL "
        "AND deadline_at < NOW_US() - $1 AND (status = 'queued' OR $3 = 1) "
        "AND (status = 'running' OR NOT EXISTS "
        "(SELECT 1 FROM projects p WHERE p.id = project_id AND p.status = 'paused')) LIMIT $2",
        (GRACE_US, BATCH, int(judging)),
    )
    return [
        Overdue(row[0], row[1], Held(row[0], row[3], row[4]) if row[2] == "running" else None)
        for row in rows
    ]


def _end_overdue(turn: Turn, overdue: Overdue) -> Transaction[None]:
    subtask_id, held = overdue.subtask_id, overdue.held
    yield from lock_projects_of([subtask_id])
    problem = time_over(overdue.timeout_seconds)
    if held is not None:
        if (yield from is_held(held)):
            yield from settle_problem(turn, held, problem)
        return
    rows = yield Query("SELECT task_id FROM subtasks WHERE id = $1", (subtask_id,))
    if not rows:
        return  # deleted meanwhile
    error = problem.error(rows[0][0])
    row: Row | None = yield from fail_queued_subtask(turn, subtask_id, error)
    if row is not None:
        yield from fail_what_hangs_on(turn, row, error)


def _unannounced() -> Transaction[tuple[list[str], list[str]]]:
    """List projects with due rows the queue was told nothing of, and such rows of no project.

    From the projects to their rows: one with thousands of them counts as one.
    """
    projects = yield Query(
        "SELECT p.id FROM projects p WHERE p.status IN ('running', 'planning') "
        "AND EXISTS (SELECT 1 FROM subtasks s WHERE s.project_id = p.id AND s.status = 'queued' "
        "AND s.announced_at IS NULL AND s.run_at <= NOW_US()) "
        "AND NOT EXISTS (SELECT 1 FROM subtasks o WHERE o.project_id = p.id "
        "AND o.status = 'queued' AND o.announced_at IS NOT NULL) LIMIT $1",
        (BATCH,),
    )
    others = yield Query(
        "SELECT id FROM subtasks WHERE status = 'queued' AND announced_at IS NULL "
        "AND project_id IS NULL AND run_at <= NOW_US() LIMIT $1",
        (BATCH,),
    )
    return sorted(row[0] for row in projects), [row[0] for row in others]


def _is_any_stale() -> Transaction[bool]:
    rows = yield Query(
        "SELECT 1 FROM subtasks WHERE status = 'queued' AND announced_at < NOW_US() - $1 LIMIT 1",
        (REANNOUNCE_US,),
    )
    return bool(rows)


async def _lost_announcements(engine: WorkflowEngine) -> list[str]:
    """List rows announced long ago, if the queue holds fewer entries than were announced.

    Where it holds as many, the workers are busy: telling it again would only fill it.
    """
    announced = await engine.run(lambda turn: _count_announced())
    try:
        if await engine.backlog() >= announced:
            return []
    except ServiceMissing:
        return []  # nobody to tell; the workers ask the database
    return await engine.run(lambda turn: _stale())


def _count_announced() -> Transaction[int]:
    rows = yield Query(
        "SELECT count(*) FROM subtasks WHERE status = 'queued' AND announced_at IS NOT NULL"
    )
    count: int = rows[0][0]
    return count


def _stale() -> Transaction[list[str]]:
    rows = yield Query(
        "SELECT id FROM subtasks WHERE status = 'queued' "
        "AND announced_at < NOW_US() - $1 ORDER BY announced_at LIMIT $2",
        (REANNOUNCE_US, BATCH),
    )
    return [row[0] for row in rows]


def _announce(turn: Turn, projects: list[str], others: list[str]) -> Transaction[None]:
    rows = yield Query(
        "SELECT project_id FROM subtasks WHERE id IN EACH($1) AND project_id IS NOT NULL",
        (others,),
    )
    yield from lock_projects([*projects, *(row[0] for row in rows)])
    for project_id in projects:
        yield from announce_project(turn, project_id)
    if others:
        yield from announce_subtasks(turn, others)
