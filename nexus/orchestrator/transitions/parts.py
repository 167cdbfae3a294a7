"""Parts that a subtask has delegated: they are born with their brief, read when they are over, given up.

A part belongs to its parent's task, whose `subtask_id` stays the parent's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nexus.domain.delegation import Part
from nexus.domain.seam import Json
from nexus.domain.states import SUBTASK_TERMINAL, SubtaskKind
from nexus.domain.text import clean
from nexus.models.writing import Many, Query, Row, Transaction
from nexus.orchestrator.newborn import NewSubtask
from nexus.orchestrator.transitions.closing import INSERT_SUBTASK
from nexus.orchestrator.transitions.subtasks import OPEN_SUBTASKS
from nexus.orchestrator.transitions.waiting import wake_subtask
from nexus.orchestrator.turn import Subject, Turn

INSERT_PART: Final = (
    "INSERT INTO parts (subtask_id, workspace, project_id, parent_id, number, place, title, "
    "instructions, awaited) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)"
)


@dataclass(frozen=True, slots=True)
class Child:
    """A delegated part as it stands; `error` is JSON."""

    subtask_id: str
    title: str
    agent: str
    status: str
    output: str | None
    error: str | None

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more will come of it."""
        return self.status in SUBTASK_TERMINAL


def read_children(parent_id: str, number: int) -> Transaction[list[Child]]:
    """Read the parts that one call of a subtask has delegated, in their order."""
    rows = yield Query(
        "SELECT s.id, p.title, s.agent, s.status, s.output, s.error FROM parts p "
        "JOIN subtasks s ON s.id = p.subtask_id WHERE p.parent_id = $1 AND p.number = $2 "
        "ORDER BY p.place",
        (parent_id, number),
    )
    return [Child(*row) for row in rows]


def queue_parts(
    turn: Turn, parent: Subject, number: int, parts: Sequence[Part]
) -> Transaction[list[str]]:
    """Queue parts of a running subtask, whose limits they share; its time limit goes on running.

    Returns:
        the ids of their subtasks, in order.
    """
    rows = yield Query(
        "SELECT max_attempts, max_model_calls, timeout_seconds FROM subtasks WHERE id = $1",
        (parent.subtask_id,),
    )
    attempts, calls, seconds = rows[0]
    made = [
        NewSubtask(
            SubtaskKind.DELEGATED,
            part.agent,
            parent.workspace,
            project_id=parent.project_id,
            task_id=parent.task_id,
            max_attempts=attempts,
            max_model_calls=calls,
            timeout_seconds=seconds,
        )
        for part in parts
    ]
    ids = [one.id for one in made]
    yield Many(INSERT_SUBTASK, [one.row() for one in made])
    yield Query(
        "UPDATE subtasks SET deadline_at = (SELECT p.deadline_at FROM subtasks p WHERE p.id = $2) "
        "WHERE id IN EACH($1)",
        (ids, parent.subtask_id),
    )
    of = (parent.workspace, parent.project_id, parent.subtask_id, number)
    yield Many(
        INSERT_PART,
        [
            (child, *of, place, clean(part.title), clean(part.instructions))
            for place, (child, part) in enumerate(zip(ids, parts, strict=True))
        ],
    )
    named: list[Json] = [
        {"subtask_id": child, "agent": part.agent, "title": clean(part.title)}
        for child, part in zip(ids, parts, strict=True)
    ]
    turn.tell(parent, "subtask.delegated", parts=named)
    for one in made:
        turn.tell(one.subject(None), "subtask.queued", kind=one.kind.value)
    turn.waiting.add(parent.project_id)
    return ids


def collect_parts(parent_id: str, number: int, claim: int) -> Transaction[None]:
    """Let the call of a claim whose parts are over go on to its record; harmless to repeat."""
    yield Query(
        "UPDATE journal SET status = 'begun', claim = $3 WHERE subtask_id = $1 AND number = $2 "
        "AND status IN ('delegated', 'begun')",
        (parent_id, number, claim),
    )
    yield from _await_no_more(parent_id)


def wake_parent(turn: Turn, parent_id: str) -> Transaction[bool]:
    """Queue a subtask again whose delegated parts are over.

    The time they waited for a person, for a budget or in a paused project is not counted
    against its time limit; the time they took is.
    """
    if not (yield from wake_subtask(turn, parent_id)):
        return False
    rows = yield Query(
        "UPDATE subtasks SET deadline_at = (SELECT max(c.deadline_at) FROM parts p "
        "JOIN subtasks c ON c.id = p.subtask_id WHERE p.parent_id = $1 AND p.awaited = 1) "
        "WHERE id = $1 AND EXISTS (SELECT 1 FROM parts p WHERE p.parent_id = $1 "
        "AND p.awaited = 1) RETURNING project_id",
        (parent_id,),
    )
    turn.waiting.update(row[0] for row in rows)
    yield from _await_no_more(parent_id)
    return True


def cancel_parts(turn: Turn, parent_id: str) -> Transaction[None]:
    """Cancel what is left of the parts of a subtask that is over."""
    rows: list[Row] = yield Query(
        "UPDATE subtasks SET status = 'cancelled', finished_at = NOW_US(), owner = NULL "
        "WHERE id IN (SELECT subtask_id FROM parts WHERE parent_id = $1) "
        "AND status IN EACH($2) RETURNING id, project_id, workspace, task_id, attempt",
        (parent_id, list(OPEN_SUBTASKS)),
    )
    for subtask_id, project_id, workspace, task_id, attempt in sorted(map(tuple, rows)):
        subject = Subject(project_id, workspace, task_id, subtask_id, attempt)
        turn.tell(subject, "subtask.cancelled")
    yield from _await_no_more(parent_id)


def forget_parts(project_id: str) -> Transaction[None]:
    """Await no part of a project any more: it is being cancelled."""
    yield Query("UPDATE parts SET awaited = 0 WHERE project_id = $1 AND awaited = 1", (project_id,))


def _await_no_more(parent_id: str) -> Transaction[None]:
    yield Query("UPDATE parts SET awaited = 0 WHERE parent_id = $1 AND awaited = 1", (parent_id,))
