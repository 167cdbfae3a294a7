"""Moves into `waiting` and out of it: what a person has to move, the budget holds back, or others do.

A waiting subtask has no owner and no lease, and its attempt stays open.
"""

from typing import Final

from nexus.domain.states import SubtaskKind
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.transitions.projects import CLOCK
from nexus.orchestrator.transitions.reserving import (
    Ledger,
    promise,
    read_ledgers,
    tell_limits,
    waiting_needs,
)
from nexus.orchestrator.transitions.subtasks import Held
from nexus.orchestrator.turn import Subject, Turn

AT_REST: Final = "nothing can go on until a person answers"
NO_BUDGET: Final = "nothing can go on until its budget is raised"


def suspend_subtask(turn: Turn, held: Held, reason: str) -> Transaction[bool]:
    """Let a running subtask and its task wait; its project too, if nothing of it is left to move.

    While it waits, `run_at` says since when: `wake_subtask` gives that time back.
    """
    rows = yield Query(
        "UPDATE subtasks SET status = 'waiting', owner = NULL, claim = claim + 1, "
        "announced_at = NULL, run_at = NOW_US() "
        "WHERE id = $1 AND claim = $2 AND owner = $3 AND status = 'running' "
        "RETURNING project_id, workspace, task_id, attempt, kind",
        (held.subtask_id, held.claim, held.owner),
    )
    if not rows:
        return False
    project_id, workspace, task_id, attempt, kind = rows[0]
    if not project_id:
        return True
    subject = Subject(project_id, workspace, task_id, held.subtask_id, attempt)
    turn.tell(subject, "subtask.waiting", reason=reason)
    if kind != SubtaskKind.DELEGATED:  # the task waits already: for its parts
        tasks = yield Query(
            "UPDATE tasks SET status = 'waiting' WHERE id = $1 AND status = 'running' "
            "RETURNING key, phase",
            (task_id,),
        )
        for key, phase in tasks:
            turn.count(project_id, phase, "running", "waiting")
            turn.tell(subject, "task.waiting", key=key, reason=reason)
    yield from rest_project(turn, Subject(project_id, workspace))
    return True


def wake_subtask(turn: Turn, subtask_id: str) -> Transaction[bool]:
    """Queue a waiting subtask again, and let its task and its project run.

    The time it waited is not counted against its time limit.
    """
    rows = yield Query(
        "UPDATE subtasks SET status = 'queued', announced_at = NULL, "
        "deadline_at = deadline_at + (NOW_US() - run_at), run_at = NOW_US() "
        "WHERE id = $1 AND status = 'waiting' "
        "RETURNING project_id, workspace, task_id, attempt, kind",
        (subtask_id,),
    )
    if not rows:
        return False
    project_id, workspace, task_id, attempt, kind = rows[0]
    if not project_id:
        return True
    yield from resume_project(turn, Subject(project_id, workspace))
    subject = Subject(project_id, workspace, task_id, subtask_id, attempt)
    turn.tell(subject, "subtask.queued", kind=kind)
    if kind == SubtaskKind.DELEGATED:  # the task goes on waiting for it
        return True
    tasks = yield Query(
        "UPDATE tasks SET status = 'running' WHERE id = $1 AND status = 'waiting' "
        "RETURNING key, agent, phase",
        (task_id,),
    )
    if tasks:
        turn.count(project_id, tasks[0][2], "waiting", "running")
        turn.tell(subject, "task.started", key=tasks[0][0], agent=tasks[0][1])
    return True


def rest_project(turn: Turn, project: Subject) -> Transaction[bool]:
    """Move a running project to waiting, if a person can move it and nothing else can.

    What waits for its budget goes on instead where there is room after all: those it waited
    for have ended without spending what they had reserved.
    """
    rows = yield Query(
        "SELECT EXISTS (SELECT 1 FROM approvals a WHERE a.project_id = p.id "
        "AND a.status = 'pending'), EXISTS (SELECT 1 FROM reservations r "
        "JOIN subtasks w ON w.id = r.subtask_id WHERE r.project_id = p.id AND r.granted = 0 "
        "AND w.status = 'waiting') FROM projects p "
        "WHERE p.id = $1 AND p.status = 'running' AND NOT EXISTS (SELECT 1 FROM subtasks s "
        "WHERE s.project_id = p.id AND s.status IN ('pending', 'queued', 'running'))",
        (project.project_id,),
    )
    if not rows or not any(rows[0]):
        return False
    if rows[0][1]:
        ledger = (yield from read_ledgers(turn, [project.project_id]))[project.project_id]
        yield from tell_limits(turn, ledger)
        if (yield from wake_affordable(turn, ledger)):
            return False
    yield Query(
        " ".join(("UPDATE projects SET status = 'waiting',", CLOCK, "WHERE id = $1")),
        (project.project_id,),
    )
    turn.tell(project, "project.waiting", reason=AT_REST if rows[0][0] else NO_BUDGET)
    return True


def wake_affordable(turn: Turn, ledger: Ledger) -> Transaction[int]:
    """Queue as many of a project's subtasks that wait for its budget as it has room for.

    Returns:
        how many there were; they are announced at the end of the turn.
    """
    if not ledger.waiting or ledger.full():
        return 0
    woken = 0
    for subtask_id, number, need in (yield from waiting_needs(ledger.project.project_id)):
        if ledger.full():
            break
        yield from promise(ledger, (subtask_id, number), need)
        woken += yield from wake_subtask(turn, subtask_id)
    ledger.waiting -= woken
    if woken:
        turn.waiting.add(ledger.project.project_id)
    return woken


def resume_project(turn: Turn, project: Subject) -> Transaction[None]:
    """Move a waiting project to running; one that is paused or planning stays so."""
    rows = yield Query(
        " ".join(
            (
                "UPDATE projects SET status = 'running',",
                CLOCK,
                "WHERE id = $1 AND status = 'waiting' RETURNING id",
            )
        ),
        (project.project_id,),
    )
    if rows:
        turn.tell(project, "project.resumed")
