"""What one transaction has to say: its events now, its announcements after the commit.

Every write transaction locks the projects it touches first, in id order, and takes event
numbers from the project's row last; so the order of numbers is the order of commits.
"""

from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass, field
from typing import Final

from nexus.domain.events import EVENTS
from nexus.domain.seam import Json
from nexus.domain.text import dumps
from nexus.models.writing import Lock, Many, Query, Row, Transaction, Value

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


NUMBER_EVENTS: Final = (
    "UPDATE projects SET seq = seq + j.events, tasks_open = tasks_open - j.ended, "
    "tasks_succeeded = tasks_succeeded + j.well, requests = requests + j.asked, "
    "input_tokens = input_tokens + j.read, output_tokens = output_tokens + j.written, "
    "cost_pico_usd = cost_pico_usd + j.cost, unpriced_requests = unpriced_requests + j.unpriced, "
    "updated_at = NOW_US() FROM EACH OF $1 (project TEXT, events BIGINT, ended BIGINT, well BIGINT, "
    "asked BIGINT, read BIGINT, written BIGINT, cost BIGINT, unpriced BIGINT) AS j "
    "WHERE projects.id = j.project "
    "RETURNING id, seq, updated_at, status, tasks_open, tasks_total, tasks_succeeded, workspace"
)


@dataclass(slots=True)
class Tally:
    """What a transaction adds to a project's counters."""

    ended: int = 0  # tasks that are over now
    well: int = 0  # of them, those that succeeded
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_pico_usd: int = 0
    unpriced_requests: int = 0


@dataclass(slots=True)
class Turn:
    """Collects what a transaction tells; one a transaction, made anew when it is run again."""

    announcements: list[Announcement] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    _events: dict[str, list[tuple[Subject, str, str]]] = field(default_factory=dict)
    _tallies: dict[str, Tally] = field(default_factory=dict)

    def tell(self, subject: Subject, event: str, **data: Json) -> None:
        """Add an event; `data` has exactly the fields the catalogue lists for it.

        Raises:
            ValueError: the event or one of its fields is not in the catalogue.
        """
        if set(data) != set(EVENTS.get(event, ("unknown event",))):
            raise ValueError(f"{event} has the fields {EVENTS.get(event)}, not {tuple(data)}")
        self._events.setdefault(subject.project_id, []).append((subject, event, dumps(data)))

    def tally(self, project_id: str) -> Tally:
        """The counters to which this transaction adds for a project."""
        return self._tallies.setdefault(project_id, Tally())

    def write_events(self) -> Transaction[list[Row]]:
        """Add up, number and insert everything told, in one pass over the projects.

        Returns:
            (id, seq, updated_at, status, tasks_open, tasks_total, tasks_succeeded, workspace)
            of each project a task of which has ended.
        """
        told, self._events = self._events, {}
        tallies, self._tallies = self._tallies, {}
        ids = sorted(told.keys() | tallies.keys())
        if not ids:
            return []
        changes = [
            (one, len(told.get(one, ())), *astuple(tallies.get(one, NOTHING))) for one in ids
        ]
        found = yield Query(NUMBER_EVENTS, (changes,))
        self.touched.update(row[0] for row in found)
        rows: list[tuple[Value, ...]] = []
        for project_id, last, now, *_ in found:  # one that was deleted meanwhile is not found
            events = told.get(project_id, [])
            for seq, (subject, event, data) in enumerate(events, last - len(events) + 1):
                rows.append(_event_row(subject, seq, now, event, data))
        if rows:
            yield Many(INSERT_EVENT, rows)
        return [row for row in found if row[0] in tallies and tallies[row[0]].ended]


NOTHING: Final = Tally()


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
    ids: list[str] = sorted(set(project_ids))
    if ids:
        yield Lock("SELECT id FROM projects WHERE id IN EACH($1) ORDER BY id FOR UPDATE", (ids,))


def lock_projects_of(subtask_ids: Sequence[str]) -> Transaction[None]:
    """Lock the projects these subtasks belong to, in id order."""
    yield Lock(
        "SELECT id FROM projects WHERE id IN "
        "(SELECT project_id FROM subtasks WHERE id IN EACH($1)) ORDER BY id FOR UPDATE",
        (list(subtask_ids),),
    )
