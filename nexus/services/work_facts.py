"""The facts of unfinished tasks and of the work on a plan, as a diagnosis reads them.

A page at a time, inside the caller's one session; judged by `reasons`, never here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import BigInteger, Row, Select, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from nexus.domain.states import (
    SUBTASK_TERMINAL,
    ProjectState,
    SubtaskKind,
    SubtaskState,
    TaskState,
)
from nexus.models.delegation import DelegatedPart
from nexus.models.projects import Approval, Project, Task
from nexus.models.work import JournalRecord, Reservation, Subtask, Worker
from nexus.orchestrator.claiming import AGEING_US
from nexus.services.cursors import Cursor
from nexus.services.holders import SHOWN_STATUS, read_holders
from nexus.services.reasons import (
    CallFacts,
    Holders,
    PartFacts,
    SubtaskFacts,
    TaskFacts,
    WorkerFacts,
)

NODES: Final = 1_000_000
"""More than a project has nodes: a place in the list is a rank and a node."""
UNFINISHED: Final = (TaskState.PENDING, TaskState.RUNNING, TaskState.WAITING)
OPEN: Final = (SubtaskState.QUEUED, SubtaskState.RUNNING, SubtaskState.WAITING)
CLAIMED_FROM: Final = (ProjectState.RUNNING, ProjectState.PLANNING)
OpenSubtask: Final = aliased(Subtask)
RANK: Final = case(
    (Task.status == TaskState.WAITING, 0),
    (Task.status == TaskState.RUNNING, 1),
    (Task.subtask_id.is_not(None), 2),
    else_=3,
)
"""Those at work first, those held back last."""
AT_WORK: Final = func.coalesce(
    select(OpenSubtask.id)
    .where(
        OpenSubtask.task_id == Task.id,
        OpenSubtask.status.in_(OPEN),
        OpenSubtask.kind != SubtaskKind.DELEGATED,
    )
    .limit(1)
    .scalar_subquery(),
    Task.subtask_id,
)
"""A task's own subtask has ended while its output is being reviewed."""
OF_SUBTASK: Final = (
    Subtask.id.label("subtask_id"),
    Subtask.status.label("subtask_status"),
    Subtask.attempt,
    Subtask.attempt_open,
    Subtask.max_attempts,
    Subtask.run_at,
    Subtask.claim,
    Subtask.owner,
    Subtask.error,
    Subtask.deadline_at,
    Worker.host,
    Worker.heartbeat_at,
    Worker.lease_until,
)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """One unfinished task, or the work on the plan (without an id), and its facts."""

    facts: TaskFacts
    id: str | None = None
    key: str | None = None
    title: str = "The plan"
    max_attempts: int = 0
    place: int = 0


@dataclass(slots=True)
class Details:
    """What is known of subtasks beside their rows, by subtask id."""

    ahead: Mapping[str, int] = field(default_factory=dict)
    calls: dict[str, list[CallFacts]] = field(default_factory=dict)
    approvals: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    unaffordable: frozenset[str] = frozenset()
    parts: dict[str, list[PartFacts]] = field(default_factory=dict)

    def of_parts(self, subtask_id: str) -> list[str]:
        """Name a subtask and the parts it waits for."""
        return [subtask_id, *(one.id for one in self.parts.get(subtask_id, ()))]


async def read_planning(session: AsyncSession, project_id: str, now: int) -> list[Unfinished]:
    """Read the open subtasks that belong to a project itself."""
    statement = (
        select(*OF_SUBTASK)
        .outerjoin(Worker, Worker.id == Subtask.owner)
        .where(
            Subtask.project_id == project_id,
            Subtask.task_id.is_(None),
            Subtask.status.in_(OPEN),
        )
        .order_by(Subtask.id)
    )
    rows = (await session.execute(statement)).all()
    details = await _details(session, rows, now)
    return [
        Unfinished(TaskFacts(_shown(row), _subtask(row, details)), max_attempts=row.max_attempts)
        for row in rows
    ]


def _shown(row: Row[Any]) -> str:
    return str(row.subtask_status)


async def read_unfinished(
    session: AsyncSession, project_id: str, at: Cursor | None, limit: int, now: int
) -> list[Unfinished]:
    """Read a page of unfinished tasks, those at work first."""
    rows = (await session.execute(_tasks(project_id, at, limit))).all()
    details = await _details(session, [row for row in rows if row.subtask_id], now)
    blocked = [row.node for row in rows if row.subtask_id is None]
    holders = await read_holders(session, project_id, blocked) if blocked else {}
    found: list[Unfinished] = []
    for row in rows:
        feeds, phase = holders.get(row.node, (Holders(), None))
        subtask = _subtask(row, details) if row.subtask_id else None
        facts = TaskFacts(row.shown_status, subtask, feeds, phase)
        found.append(Unfinished(facts, row.id, row.key, row.title, row.most, row.place))
    return found


def _tasks(project_id: str, at: Cursor | None, limit: int) -> Select[Any]:
    place = (RANK * NODES + Task.node).label("place")
    statement = (
        select(
            Task.id,
            Task.key,
            Task.title,
            Task.node,
            Task.max_attempts.label("most"),
            SHOWN_STATUS.label("shown_status"),
            place,
            *OF_SUBTASK,
        )
        .select_from(Task)
        .outerjoin(Subtask, Subtask.id == case((Task.review, AT_WORK), else_=Task.subtask_id))
        .outerjoin(Worker, Worker.id == Subtask.owner)
        .where(Task.project_id == project_id, Task.status.in_(UNFINISHED))
        .order_by(place)
        .limit(limit)
    )
    return statement.where(place > at.number) if at else statement


def _subtask(row: Row[Any], details: Details) -> SubtaskFacts:
    worker = None
    if row.lease_until is not None:
        worker = WorkerFacts(row.host, row.heartbeat_at, row.lease_until)
    return SubtaskFacts(
        id=row.subtask_id,
        status=row.subtask_status,
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        run_at=row.run_at,
        is_attempt_open=bool(row.attempt_open),
        deadline_at=row.deadline_at,
        owner=row.owner,
        last_error=row.error["message"] if row.error else None,
        ahead=details.ahead.get(row.subtask_id, 0),
        worker=worker,
        calls=tuple(details.calls.get(row.subtask_id, ())),
        approvals=tuple(
            asked
            for one in details.of_parts(row.subtask_id)
            for asked in details.approvals.get(one, ())
        ),
        waits_for_budget=not details.unaffordable.isdisjoint(details.of_parts(row.subtask_id)),
        parts=tuple(details.parts.get(row.subtask_id, ())),
    )


async def _details(session: AsyncSession, rows: Sequence[Row[Any]], now: int) -> Details:
    by_status: dict[str, list[Row[Any]]] = {}
    for row in rows:
        by_status.setdefault(row.subtask_status, []).append(row)
    details = Details()
    if due := [row.subtask_id for row in by_status.get("queued", ()) if row.run_at <= now]:
        details.ahead = await _ahead(session, due, now)
    if running := by_status.get("running"):
        details.calls = await _calls(session, {row.subtask_id: row.claim for row in running})
    if waiting := by_status.get("waiting"):
        ids = [row.subtask_id for row in waiting]
        details.parts = await _parts(session, ids)
        ids += [part.id for parts in details.parts.values() for part in parts]
        details.approvals = await _approvals(session, ids)
        details.unaffordable = await _unaffordable(session, ids)
    return details


async def _ahead(session: AsyncSession, subtask_ids: list[str], now: int) -> dict[str, int]:
    """Count, for each, what is due in the installation and comes before it where work is claimed.

    The same subtasks in the same order as `due_subtasks` has them.
    """
    aged = Subtask.run_at + Subtask.priority * cast(AGEING_US, BigInteger)
    place = func.row_number().over(order_by=(aged, Subtask.id)).label("place")
    due = (
        select(Subtask.id, place)
        .outerjoin(Project, Project.id == Subtask.project_id)
        .where(
            Subtask.status == SubtaskState.QUEUED,
            Subtask.run_at <= now,
            Project.id.is_(None) | Project.status.in_(CLAIMED_FROM),
        )
        .subquery()
    )
    rows = await session.execute(select(due).where(due.c.id.in_(subtask_ids)))
    return {row.id: row.place - 1 for row in rows}


async def _calls(session: AsyncSession, claims: Mapping[str, int]) -> dict[str, list[CallFacts]]:
    """Read the calls that are in flight under these claims."""
    statement = (
        select(
            JournalRecord.subtask_id,
            JournalRecord.claim,
            JournalRecord.kind,
            JournalRecord.name,
            JournalRecord.begun_at,
        )
        .where(JournalRecord.subtask_id.in_(claims), JournalRecord.status == "begun")
        .order_by(JournalRecord.subtask_id, JournalRecord.number)
    )
    found: dict[str, list[CallFacts]] = {}
    for row in await session.execute(statement):
        if row.claim == claims[row.subtask_id]:
            call = CallFacts(row.kind, row.name, row.begun_at)
            found.setdefault(row.subtask_id, []).append(call)
    return found


async def _parts(session: AsyncSession, subtask_ids: list[str]) -> dict[str, list[PartFacts]]:
    """Read the open parts that these subtasks have delegated."""
    rows = await session.execute(
        select(DelegatedPart.parent_id, Subtask.id, Subtask.status)
        .join(Subtask, Subtask.id == DelegatedPart.subtask_id)
        .where(
            DelegatedPart.parent_id.in_(subtask_ids),
            DelegatedPart.awaited == 1,
            Subtask.status.not_in(SUBTASK_TERMINAL),
        )
        .order_by(DelegatedPart.parent_id, DelegatedPart.place)
    )
    found: dict[str, list[PartFacts]] = {}
    for row in rows:
        found.setdefault(row.parent_id, []).append(PartFacts(row.id, row.status))
    return found


async def _unaffordable(session: AsyncSession, subtask_ids: list[str]) -> frozenset[str]:
    rows = await session.execute(
        select(Reservation.subtask_id).where(
            Reservation.subtask_id.in_(subtask_ids), Reservation.granted == 0
        )
    )
    return frozenset(rows.scalars())


async def _approvals(
    session: AsyncSession, subtask_ids: list[str]
) -> dict[str, list[tuple[str, str]]]:
    statement = (
        select(Approval.subtask_id, Approval.id, Approval.question)
        .where(Approval.subtask_id.in_(subtask_ids), Approval.status == "pending")
        .order_by(Approval.created_at, Approval.id)
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for row in await session.execute(statement):
        found.setdefault(row.subtask_id, []).append((row.id, row.question))
    return found
