"""What is known of a run: a progress snapshot, kept current by folding events into it.

Filled by `nexus.cli.show.follow`, drawn by `nexus.cli.show.tree`; asks nobody anything.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

Document = dict[str, Any]

ENDED: Final = frozenset({"succeeded", "failed", "cancelled"})
TASK_ENDED: Final = ENDED | {"skipped"}
RESHAPING: Final = frozenset({"project.planned", "project.replanned", "project.retried"})
"""After these the tasks are others: a new snapshot is needed."""
PROJECT_STATES: Final = {
    "project.planned": "planned",
    "project.started": "running",
    "project.waiting": "waiting",
    "project.paused": "paused",
    "project.resumed": "running",
    "project.retried": "running",
    "project.succeeded": "succeeded",
    "project.failed": "failed",
    "project.cancelled": "cancelled",
}


@dataclass(slots=True)
class TaskLine:
    """One task as the tree shows it."""

    key: str
    title: str
    agent: str
    status: str
    attempt: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    note: str = ""
    parts: dict[str, "PartLine"] = field(default_factory=dict)  # by subtask id

    def seconds(self, now: datetime) -> float | None:
        """How long it has run, or ran; None before it began."""
        if self.started_at is None:
            return None
        return max(0.0, ((self.finished_at or now) - self.started_at).total_seconds())


@dataclass(slots=True)
class PartLine:
    """A part of a task that its agent has delegated."""

    title: str
    is_over: bool = False


@dataclass(slots=True)
class PhaseLines:
    """One phase and its tasks, in plan order."""

    title: str
    tasks: list[TaskLine]


@dataclass(slots=True)
class Board:
    """The run of one project."""

    project_id: str
    name: str
    status: str = "planning"
    phases: list[PhaseLines] = field(default_factory=list)
    requests: int = 0
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced: int = 0  # calls whose price is unknown
    seq: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    _by_id: dict[str, TaskLine] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    def tasks(self) -> Iterator[TaskLine]:
        """Yield all tasks in plan order."""
        for phase in self.phases:
            yield from phase.tasks

    def counts(self) -> Counter[str]:
        """Count tasks by status."""
        return Counter(task.status for task in self.tasks())

    def task(self, task_id: str | None) -> TaskLine | None:
        """Find a task by its id."""
        return self._by_id.get(task_id or "")

    def load(self, progress: Document) -> None:
        """Take over a progress snapshot; notes of tasks that are still there stay."""
        notes = {task_id: line.note for task_id, line in self._by_id.items()}
        self.status = progress["status"]
        self.seq = progress["last_event_seq"]
        usage = progress["usage"]
        self.requests = usage["requests"]
        self.tokens = usage["input_tokens"] + usage["output_tokens"]
        self.cost_usd = Decimal(usage["cost_usd"])
        self.unpriced = usage.get("unpriced_requests", 0)
        self._by_id = {}
        self.phases = []
        for phase in progress["phases"]:
            lines = []
            for task in phase["tasks"] or []:
                line = _line(task)
                line.note = notes.get(task["id"], "")
                self._by_id[task["id"]] = line
                lines.append(line)
            self.phases.append(PhaseLines(phase["title"], lines))
        self._load_times(progress)

    def _load_times(self, progress: Document) -> None:
        """Progress has no times of the run itself: take those its tasks imply."""
        starts = [task.started_at for task in self.tasks() if task.started_at]
        if self.started_at is None and starts:
            self.started_at = min(starts)
        ended = moment(progress["updated_at"]) if self.has_ended else None
        self.finished_at = (self.finished_at or ended) if self.has_ended else None

    def apply(self, event: Document) -> bool:
        """Fold one event in; answer True when a new snapshot is needed."""
        if event["seq"] <= self.seq:
            return False
        self.seq = event["seq"]
        kind, data = event["type"], event["data"] or {}
        noun, _, act = kind.partition(".")
        if noun == "project":
            self._apply_project(kind, event)
        elif kind == "model.called":
            self.requests += 1
            self.tokens += (data.get("input_tokens") or 0) + (data.get("output_tokens") or 0)
            self.cost_usd += Decimal(data.get("cost_usd") or 0)
            self.unpriced += data.get("cost_usd") is None
        else:
            line = self.task(event.get("task_id"))
            if line is not None:
                _apply_to_task(line, noun, act, event)
        return kind in RESHAPING

    def _apply_project(self, kind: str, event: Document) -> None:
        self.status = PROJECT_STATES.get(kind, self.status)
        if kind == "project.started":
            self.started_at = moment(event["at"])
        if self.status in ENDED:
            self.finished_at = moment(event["at"])


def _apply_to_task(line: TaskLine, noun: str, act: str, event: Document) -> None:
    if noun == "task":
        _apply_task(line, act, event)
    elif noun == "subtask":
        _apply_subtask(line, act, event)


def _apply_task(line: TaskLine, act: str, event: Document) -> None:
    data = event["data"] or {}
    if act == "started":
        line.status, line.note = "running", ""
        line.started_at = line.started_at or moment(event["at"])
    elif act in TASK_ENDED:
        line.status, line.finished_at = act, moment(event["at"])
        line.note = words_of(data.get("error")) or _because(data.get("because_of"))
    elif act == "waiting":
        line.status, line.note = "waiting", words_of(data.get("reason"))
    elif act == "reviewed":
        line.note = words_of_review(data)
    elif act == "reset":
        line.status, line.note = "pending", ""
        line.started_at = line.finished_at = None


def _apply_subtask(line: TaskLine, act: str, event: Document) -> None:
    data = event["data"] or {}
    if line.status in TASK_ENDED:
        return
    if act == "delegated":
        line.parts = {one["subtask_id"]: PartLine(one["title"]) for one in data["parts"]}
    if event["subtask_id"] in line.parts or data.get("kind") == "delegated":
        _apply_part(line, act, event["subtask_id"])
    elif act == "queued" and line.status == "pending":
        line.status = "queued"
    elif act == "started":
        line.status = "running"
        line.attempt = event.get("attempt") or line.attempt
        line.started_at = line.started_at or moment(event["at"])
    elif act == "retrying" and line.status != "waiting":
        line.status = "queued"
        line.note = f"again after: {words_of(data.get('error'))}"


def _apply_part(line: TaskLine, act: str, subtask_id: str) -> None:
    """The task waits for its parts, whatever they do."""
    if act in ENDED and subtask_id in line.parts:
        line.parts[subtask_id].is_over = True
        over = sum(part.is_over for part in line.parts.values())
        line.note = f"{over} of {len(line.parts)} delegated parts over"


def _line(task: Document) -> TaskLine:
    return TaskLine(
        key=task["key"],
        title=task["title"],
        agent=task["agent"],
        status=task["status"],
        attempt=task["attempt"],
        started_at=moment(task["started_at"]),
        finished_at=moment(task["finished_at"]),
    )


def _because(key: object) -> str:
    return f"because {key} did not succeed" if key else ""


def words_of_review(data: Document) -> str:
    """Say what a review came to in words."""
    if data.get("accepted"):
        return f"accepted in review {data.get('round')}"
    return f"rejected in review {data.get('round')}: {'; '.join(data.get('findings') or [])}"


def words_of(error: object) -> str:
    """Say an `error` of the API (a document, or plain words) in words."""
    if isinstance(error, dict):
        return str(error.get("message") or error.get("code") or "")
    return str(error) if error else ""


def moment(text: str | None) -> datetime | None:
    """Read a time of the API."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
