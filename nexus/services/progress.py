"""Where a project stands: counts, phases, percent, time left. Two statements, whatever its size."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from nexus.domain.clock import rfc3339
from nexus.domain.states import TASK_TERMINAL, SubtaskState, TaskState
from nexus.models.database import Database
from nexus.models.projects import Project as ProjectRow
from nexus.models.projects import Task
from nexus.models.work import Subtask
from nexus.schemas.progress import Counts, PhaseProgress, Progress, TaskProgress
from nexus.services.caller import Caller
from nexus.services.plans import Outlines
from nexus.services.project_view import show_usage
from nexus.services.projects import no_project
from nexus.services.reads import now_us, reading

QUEUED: Final = "queued"

SHOWN_STATUS: Final = case(
    (
        (Task.status == TaskState.PENDING) & (Subtask.status == SubtaskState.QUEUED),
        QUEUED,
    ),
    else_=Task.status,
)
"""A task's status as it is shown: a pending task whose subtask is queued shows `queued`."""

ATTEMPT: Final = case(
    (Task.status.in_((TaskState.PENDING, TaskState.SKIPPED)), 0),
    else_=func.coalesce(Subtask.attempt, 0),
)
"""Which attempt a task is at, as its present subtask counts them; 0 before the first."""


async def get_progress(
    database: Database, outlines: Outlines, caller: Caller, project_id: str, *, with_tasks: bool
) -> Progress:
    """Show where a project stands.

    Raises:
        NotFound: unknown, or another workspace's.
    """
    async with reading(database) as session:
        project = (
            await session.execute(
                select(ProjectRow.__table__).where(
                    ProjectRow.id == project_id, ProjectRow.workspace == caller.workspace
                )
            )
        ).one_or_none()
        if project is None:
            raise no_project()
        outline = await outlines.of(session, project_id, project.plan_version)
        tasks = await _read_tasks(session, project_id) if with_tasks else {}
        counted = _count(tasks) if with_tasks else await _read_counts(session, project_id)
    total: Counter[str] = sum(counted.values(), Counter())
    return Progress(
        project_id=project_id,
        status=project.status,
        percent=_percent(total),
        counts=Counts(**{name: total[name] for name in Counts.model_fields}),
        phases=[
            PhaseProgress(
                key=key,
                title=title,
                status=phase_status(counted.get(key, Counter())),
                percent=_percent(counted.get(key, Counter())),
                tasks=[_show(row) for row in tasks.get(key, ())] if with_tasks else None,
            )
            for key, title in outline
        ],
        usage=show_usage(project._mapping),
        eta_seconds=_estimate(project, total),
        last_event_seq=project.seq,
        updated_at=rfc3339(project.updated_at) or "",
    )


async def _read_tasks(session: AsyncSession, project_id: str) -> dict[str, list[Row[Any]]]:
    statement = (
        select(
            Task.phase,
            Task.id,
            Task.key,
            Task.title,
            Task.agent,
            SHOWN_STATUS.label("shown_status"),
            ATTEMPT.label("attempt"),
            Task.started_at,
            Task.finished_at,
        )
        .outerjoin(Subtask, Subtask.id == Task.subtask_id)
        .where(Task.project_id == project_id)
        .order_by(Task.node)
    )
    phases: dict[str, list[Row[Any]]] = {}
    for row in await session.execute(statement):
        phases.setdefault(row.phase, []).append(row)
    return phases


async def _read_counts(session: AsyncSession, project_id: str) -> dict[str, Counter[str]]:
    shown_status = SHOWN_STATUS.label("shown_status")
    statement = (
        select(Task.phase, shown_status, func.count().label("number"))
        .outerjoin(Subtask, Subtask.id == Task.subtask_id)
        .where(Task.project_id == project_id)
        .group_by(Task.phase, shown_status)
    )
    counted: dict[str, Counter[str]] = {}
    for row in await session.execute(statement):
        counted.setdefault(row.phase, Counter())[row.shown_status] = row.number
    return counted


def _count(tasks: Mapping[str, Sequence[Row[Any]]]) -> dict[str, Counter[str]]:
    return {phase: Counter(row.shown_status for row in rows) for phase, rows in tasks.items()}


def _percent(counts: Counter[str]) -> int:
    total = counts.total()
    return 100 * counts[TaskState.SUCCEEDED] // total if total else 0


def phase_status(counts: Counter[str]) -> Any:
    """Derive a phase's status from how many of its tasks have which.

    While any task is open the phase is what its most active task is, and `running` when
    some are over and the others wait their turn; when all are over, the worst one speaks.
    """
    total = counts.total()
    over = sum(counts[state] for state in TASK_TERMINAL)
    if over < total:
        for state in (TaskState.RUNNING, TaskState.WAITING, QUEUED):
            if counts[state]:
                return str(state)
        return str(TaskState.RUNNING if over else TaskState.PENDING)
    for state in (TaskState.FAILED, TaskState.CANCELLED, TaskState.SKIPPED):
        if counts[state]:
            return str(state)
    return str(TaskState.SUCCEEDED if total else TaskState.PENDING)


def _show(row: Row[Any]) -> TaskProgress:
    return TaskProgress.model_construct(
        id=row.id,
        key=row.key,
        title=row.title,
        agent=row.agent,
        status=row.shown_status,
        attempt=row.attempt,
        started_at=rfc3339(row.started_at),
        finished_at=rfc3339(row.finished_at),
    )


def _estimate(project: Row[Any], counts: Counter[str]) -> float | None:
    """Guess the seconds left from the pace so far; None when there is no pace yet."""
    over = sum(counts[state] for state in TASK_TERMINAL)
    left = counts.total() - over
    if project.status != "running" or project.started_at is None or not over or not left:
        return None
    elapsed_seconds: float = max(0, now_us() - project.started_at) / 1_000_000
    return round(elapsed_seconds / over * left, 1)
