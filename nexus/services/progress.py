"""Where a project stands: counts, phases, percent, time left, all of one snapshot.

Made as text, because clients ask again and again while thousands of tasks run: counts are
kept by phase, tasks come as the JSON the database wrote.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nexus.domain.clock import rfc3339
from nexus.domain.seam import Json
from nexus.domain.states import SHOWN, TASK_TERMINAL, TaskState
from nexus.domain.text import dumps
from nexus.models.database import Database
from nexus.models.writing import Query, Row
from nexus.schemas.progress import Counts
from nexus.services.caller import Caller
from nexus.services.project_view import show_project_usage
from nexus.services.projects import no_project
from nexus.services.reads import now_us
from nexus.services.task_texts import Rendering, TaskTexts

NAMES: Final = (
    "status",
    "plan_version",
    "seq",
    "updated_at",
    "started_at",
    "requests",
    "input_tokens",
    "output_tokens",
    "cost_pico_usd",
    "unpriced_requests",
)
STANDING: Final = " ".join(
    (
        "SELECT",
        ", ".join(NAMES),
        ", (SELECT JSON_ALL(JSON_ROW(",
        ", ".join(("place", "key", "title", *SHOWN)),
        ")) FROM phases WHERE project_id = $1) FROM projects WHERE id = $1 AND workspace = $2",
    )
)


@dataclass(frozen=True, slots=True)
class PhaseStanding:
    """A phase and how many of its tasks show which status."""

    key: str
    title: str
    counts: Counter[str]


@dataclass(frozen=True, slots=True)
class Standing:
    """A project's row and its phases, in the order of the plan."""

    project: Mapping[str, Any]
    phases: Sequence[PhaseStanding]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Standing":
        """Read the answer to `STANDING`.

        Raises:
            NotFound: there is none.
        """
        if not rows:
            raise no_project()
        *values, phases = rows[0]
        return cls(
            dict(zip(NAMES, values, strict=True)),
            [
                PhaseStanding(key, title, Counter(dict(zip(SHOWN, numbers, strict=True))))
                for _, key, title, *numbers in sorted(json.loads(phases or "[]"))
            ],
        )


@dataclass(frozen=True, slots=True)
class ProgressBoard:
    """Shows the progress of projects, and knows what it has shown lately."""

    database: Database
    texts: TaskTexts

    async def show(self, caller: Caller, project_id: str, *, with_tasks: bool) -> str:
        """Write where a project stands, as JSON of the schema `Progress`.

        Raises:
            NotFound: unknown, or another workspace's.
        """
        question = Query(STANDING, (project_id, caller.workspace))
        if not with_tasks:
            (rows,) = await self.database.ask(question)
            return _write(project_id, Standing.of(rows), None)
        async with self.texts.of(project_id) as rendering:
            standing = await self._read_tasks(question, rendering, project_id)
            return _write(project_id, standing, rendering)

    async def _read_tasks(self, question: Query, rendering: Rendering, project_id: str) -> Standing:
        is_taken = False
        while not is_taken:
            rows, tasks = await self.database.ask(question, rendering.question(project_id))
            standing = Standing.of(rows)
            project = standing.project
            is_taken = rendering.take(tasks, project["plan_version"], project["seq"])
        return standing


def _write(project_id: str, standing: Standing, rendering: Rendering | None) -> str:
    project, total = standing.project, Counter[str]()
    phases = []
    for phase in standing.phases:
        total.update(phase.counts)
        head: dict[str, Json] = {
            "key": phase.key,
            "title": phase.title,
            "status": phase_status(phase.counts),
            "percent": _percent(phase.counts),
        }
        tasks = rendering.tasks_of(phase.key) if rendering else None
        phases.append(_with(head, "tasks", tasks) if tasks else dumps(head))
    shown: dict[str, Json] = {
        "project_id": project_id,
        "status": project["status"],
        "percent": _percent(total),
        "counts": {name: total[name] for name in Counts.model_fields},
        "usage": show_project_usage(project).model_dump(),
        "eta_seconds": _estimate(project, total),
        "last_event_seq": project["seq"],
        "updated_at": rfc3339(project["updated_at"]),
    }
    return _with(shown, "phases", f"[{','.join(phases)}]")


def _with(head: dict[str, Json], name: str, text: str) -> str:
    """Write an object with one more member, whose value is JSON already."""
    return f'{dumps(head)[:-1]},"{name}":{text}}}'


def _percent(counts: Counter[str]) -> int:
    total = counts.total()
    return 100 * counts[TaskState.SUCCEEDED] // total if total else 0


def phase_status(counts: Counter[str]) -> str:
    """Derive a phase's status from how many of its tasks have which.

    While any task is open the phase is what its most active task is, and `running` when
    some are over and the others wait their turn; when all are over, the worst one speaks.
    """
    total = counts.total()
    over = sum(counts[state] for state in TASK_TERMINAL)
    if over < total:
        for state in (TaskState.RUNNING, TaskState.WAITING, "queued"):
            if counts[state]:
                return str(state)
        return str(TaskState.RUNNING if over else TaskState.PENDING)
    for state in (TaskState.FAILED, TaskState.CANCELLED, TaskState.SKIPPED):
        if counts[state]:
            return str(state)
    return str(TaskState.SUCCEEDED if total else TaskState.PENDING)


def _estimate(project: Mapping[str, Any], counts: Counter[str]) -> float | None:
    """Guess the seconds left from the pace so far; None when there is no pace yet."""
    over = sum(counts[state] for state in TASK_TERMINAL)
    left = counts.total() - over
    if project["status"] != "running" or project["started_at"] is None or not over or not left:
        return None
    elapsed_seconds: float = max(0, now_us() - project["started_at"]) / 1_000_000
    return round(elapsed_seconds / over * left, 1)
