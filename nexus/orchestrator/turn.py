"""What one transaction has to say: its events now, its announcements after the commit.

Every write transaction locks the projects it touches first, in id order, and takes event
numbers from the project's row last; so the order of numbers is the order of commits.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from nexus.domain.events import EVENTS
from nexus.domain.seam import Json
from nexus.domain.states import SHOWN
from nexus.domain.text import dumps
from nexus.models.writing import Cell, Lock, Transaction

PRESSING: Final = ("project.", "approval.")
"""How events begin that people wait for."""


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
class Tally:
    """What a transaction adds to a project's counters."""

    ended: int = 0  # tasks that are over now
    well: int = 0  # of them, those that succeeded
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_pico_usd: int = 0
    unpriced_requests: int = 0

    def row(self) -> tuple[int, ...]:
        """Its counters in the order of `closing.COUNT_UP`."""
        return (
            self.ended,
            self.well,
            self.requests,
            self.input_tokens,
            self.output_tokens,
            self.cost_pico_usd,
            self.unpriced_requests,
        )


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event of a transaction; `place` counts from 1 among its project's events there."""

    project_id: str
    place: int
    subject: Subject
    type: str
    data: str

    def numbered(self) -> tuple[Cell, ...]:
        """Write it without its final number and time."""
        about = self.subject
        names = (about.task_id, about.subtask_id, about.attempt)
        return (self.project_id, self.place, about.workspace, self.type, *names, self.data)

    def row(self, before: int, at: int) -> tuple[Cell, ...]:
        """Write it as a row, after `before` earlier events of its project, `at` a time in us."""
        about = self.subject
        names = (about.task_id, about.subtask_id, about.attempt)
        seq = before + self.place
        return (self.project_id, seq, about.workspace, self.type, at, *names, self.data)


@dataclass(slots=True)
class Turn:
    """Collects what a transaction tells; one a transaction, made anew when it is run again."""

    announcements: list[Announcement] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    is_pressing: bool = False  # whether it tells something that people wait for
    waiting: set[str] = field(default_factory=set)  # projects whose new subtasks wait
    resting: set[str] = field(default_factory=set)  # projects that may have nothing to do now
    subtasks: list[tuple[Cell, ...]] = field(default_factory=list)
    gifts: list[tuple[str, str, int]] = field(default_factory=list)  # task, subtask, runs
    copies: list[tuple[str, str]] = field(default_factory=list)  # subtask, the one before
    _events: dict[str, list[EventRow]] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    _shown: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)

    def tell(self, subject: Subject, event: str, **data: Json) -> None:
        """Add an event; `data` has exactly the fields the catalogue lists for it.

        Raises:
            ValueError: the event or one of its fields is not in the catalogue.
        """
        if set(data) != set(EVENTS.get(event, ("unknown event",))):
            raise ValueError(f"{event} has the fields {EVENTS.get(event)}, not {tuple(data)}")
        self.is_pressing = self.is_pressing or event.startswith(PRESSING)
        told = self._events.setdefault(subject.project_id, [])
        told.append(EventRow(subject.project_id, len(told) + 1, subject, event, dumps(data)))

    def tally(self, project_id: str) -> Tally:
        """The counters to which this transaction adds for a project."""
        return self.tallies.setdefault(project_id, Tally())

    def count(self, project_id: str, phase: str, before: str, then: str, number: int = 1) -> None:
        """Move tasks of a phase from what they showed (one of `SHOWN`) to what they show then."""
        shown = self._shown.setdefault((project_id, phase), dict.fromkeys(SHOWN, 0))
        shown[before] -= number
        shown[then] += number

    def forget_counts(self, project_id: str) -> None:
        """Count no task of a project that has moved so far: its tasks are being counted anew."""
        self._shown = {key: one for key, one in self._shown.items() if key[0] != project_id}
        tally = self.tally(project_id)
        tally.ended = tally.well = 0

    def take_counts(self) -> list[tuple[str | int, ...]]:
        """Hand over what is to be added: project, phase, and a number for each of `SHOWN`."""
        shown, self._shown = self._shown, {}
        return [(*key, *added.values()) for key, added in sorted(shown.items())]

    def take(self) -> tuple[list[tuple[str | int, ...]], list[EventRow]]:
        """Hand over what is to be written: changes of projects in id order, and events."""
        told, self._events = self._events, {}
        tallies, self.tallies = self.tallies, {}
        changes: list[tuple[str | int, ...]] = [
            (one, len(told.get(one, ())), *tallies.get(one, NOTHING).row())
            for one in sorted(told.keys() | tallies.keys())
        ]
        return changes, [event for one in sorted(told) for event in told[one]]


NOTHING: Final = Tally()


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
