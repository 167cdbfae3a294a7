"""Which unfinished tasks hold nodes of a graph back: by dependency, or by the order of phases.

Read for one page of a diagnosis. However many there are, a few are named and all counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from nexus.domain.states import TASK_TERMINAL, TaskState
from nexus.models.projects import Edge, Node, Task
from nexus.services.reasons import NOBODY, Holder, Holders

SHOWN: Final = 10
SHOWN_STATUS: Final = case(
    ((Task.status == TaskState.PENDING) & Task.subtask_id.is_not(None), "queued"),
    else_=Task.status,
)
"""A pending task that has a subtask is queued."""


@dataclass(slots=True)
class Held:
    """What holds one node back: tasks, and the barriers between phases that have not opened."""

    tasks: Holders = NOBODY
    barriers: list[int] = field(default_factory=list)


async def read_holders(
    session: AsyncSession, project_id: str, nodes: Sequence[int]
) -> dict[int, tuple[Holders, Holders | None]]:
    """Read what holds each node back: the tasks it depends on, and those of a phase before its own.

    The second is None for a node that no phase holds back.
    """
    held = await _read(session, project_id, nodes)
    barriers = sorted({barrier for one in held.values() for barrier in one.barriers})
    behind = await _read(session, project_id, barriers) if barriers else {}
    return {
        node: (one.tasks, _phase(one, behind) if one.barriers else None)
        for node, one in held.items()
    }


def _phase(held: Held, behind: dict[int, Held]) -> Holders:
    """The tasks behind the barrier; none when only phases still earlier hold it."""
    return behind.get(held.barriers[0], Held()).tasks


async def _read(session: AsyncSession, project_id: str, nodes: Sequence[int]) -> dict[int, Held]:
    held: dict[int, Held] = {}
    for row in await session.execute(_tasks_before(project_id, nodes)):
        one = held.setdefault(row.target, Held())
        holder = Holder(row.id, row.key, row.phase, row.shown_status)
        one.tasks = Holders((*one.tasks.shown, holder), row.total)
    barriers = (
        select(Edge.target, Edge.source)
        .join(Node, (Node.project_id == Edge.project_id) & (Node.node == Edge.source))
        .where(
            Edge.project_id == project_id,
            Edge.target.in_(nodes),
            Node.task_id.is_(None),
            Node.blocked_by > 0,
        )
    )
    for row in await session.execute(barriers):
        held.setdefault(row.target, Held()).barriers.append(row.source)
    return held


def _tasks_before(project_id: str, nodes: Sequence[int]) -> Any:
    """Select, per node, the first unfinished tasks before it and how many there are."""
    before = (
        select(
            Edge.target,
            Task.id,
            Task.key,
            Task.phase,
            SHOWN_STATUS.label("shown_status"),
            func.count().over(partition_by=Edge.target).label("total"),
            func.row_number().over(partition_by=Edge.target, order_by=Task.node).label("place"),
        )
        .join(Task, (Task.project_id == Edge.project_id) & (Task.node == Edge.source))
        .where(
            Edge.project_id == project_id,
            Edge.target.in_(nodes),
            Task.status.not_in(TASK_TERMINAL),
        )
        .subquery()
    )
    return select(before).where(before.c.place <= SHOWN).order_by(before.c.target, before.c.place)
