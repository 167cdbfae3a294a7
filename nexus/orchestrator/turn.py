"""What one transaction has to say: its events now, its announcements after the commit.

Every write transaction locks the projects it touches first, in id order, and takes event
numbers from the project's row last; so the order of numbers is the order of commits.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from nexus.domain.events import EVENTS
from nexus.domain.seam import Json
from nexus.domain.text import dumps
from nexus.models.writing import Many, Query, Transaction, Value

INSERT_EVENT: Final = (
    "INSERT INTO events (project_id, seq, workspace, type, at, task_id, subtask_id, attempt, data) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom an event is about: a project, and maybe a task, a subtask and its attempt."""

    project_id: str
    workspace: str
    task_id: str | None = None
    subtask_id: str | None = None
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class Announcement:
    """A queued subtask's id on its way to the queue; `quick` kinds overtake work."""

    subtask_id: str
    quick: bool


@dataclass(slots=True)
class Turn:
    """Collects what a transaction tells; one a transaction, made anew when it is run again."""

    announcements: list[Announcement] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    _events: dict[str, list[tuple[Subject, str, str]]] = field(default_factory=dict)

    def tell(self, subject: Subject, event: str, **data: Json) -> None:
        """Add an event; `data` has exactly the fields the catalogue lists for it.

        Raises:
            ValueError: the event or one of its fields is not in the catalogue.
        """
        if set(data) != set(EVENTS.get(event, ("unknown event",))):
            raise ValueError(f"{event} has the fields {EVENTS.get(event)}, not {tuple(data)}")
        self._events.setdefault(subject.project_id, []).append((subject, event, dumps(data)))

    def write_events(self) -> Transaction[None]:
        """Number and insert everything told; the last thing a transaction does."""
        rows: list[tuple[Value, ...]] = []
        for project_id in sorted(self._events):
            told = self._events.pop(project_id)
            found = yield Query(
                "UPDATE projects SET seq = seq + $2, updated_at = NOW_US() WHERE id = $1 "
                "RETURNING seq, updated_at",
                (project_id, len(told)),
            )
            if not found:
                continue  # the project was deleted in this very transaction
            last, now = found[0]
            for seq, (subject, event, data) in enumerate(told, last - len(told) + 1):
                rows.append(_event_row(subject, seq, now, event, data))
            self.touched.add(project_id)
        if rows:
            yield Many(INSERT_EVENT, rows)


def _event_row(subject: Subject, seq: int, now: int, event: str, data: str) -> tuple[Value, ...]:
    return (
        subject.project_id,
        seq,
        subject.workspace,
        event,
        now,
        subject.task_id,
        subject.subtask_id,
        subject.attempt,
        data,
    )


def lock_projects(project_ids: Collection[str]) -> Transaction[None]:
    """Lock the projects a transaction is about to touch, in id order."""
    if project_ids:
        yield Query(
            "SELECT id FROM projects WHERE id IN EACH($1) ORDER BY id FOR UPDATE",
            (sorted(set(project_ids)),),
        )


def lock_projects_of(subtask_ids: Sequence[str]) -> Transaction[None]:
    """Lock the projects these subtasks belong to, in id order."""
    yield Query(
        "SELECT id FROM projects WHERE id IN "
        "(SELECT project_id FROM subtasks WHERE id IN EACH($1)) ORDER BY id FOR UPDATE",
        (list(subtask_ids),),
    )
