"""The tasks of whole progress as JSON text, kept for the projects asked about lately.

The database writes the text; between two looks only tasks that events name are written anew:
whatever changes what a task shows tells an event of it in the same transaction.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from nexus.models.writing import Query, Row

MAX_TEXTS: Final = 50_000
"""Over all projects; a text is some 230 bytes."""
MAX_PROJECTS: Final = 256
STALE_SECONDS: Final = 10.0
"""After a longer rest a project's tasks are written as a whole again."""

SHOWN: Final = (
    "SELECT t.phase, t.id, JSON_OBJECT('id', t.id, 'key', t.key, 'title', t.title, "
    "'agent', t.agent, 'status', CASE WHEN t.status = 'pending' AND t.subtask_id IS NOT NULL "
    "THEN 'queued' ELSE t.status END, 'attempt', CASE WHEN t.status IN ('pending', 'skipped') "
    "THEN 0 ELSE COALESCE(s.attempt, 0) END, 'started_at', RFC3339(t.started_at), "
    "'finished_at', RFC3339(t.finished_at)) FROM {tasks} "
    "LEFT JOIN subtasks s ON s.id = t.subtask_id"
)
ALL: Final = (
    SHOWN.format(tasks="tasks t") + " WHERE t.project_id = $1 AND t.node >= 0 ORDER BY t.node"
)
# From the named ones to their rows: without statistics PostgreSQL would compare all with all.
CHANGED: Final = SHOWN.format(
    tasks="(SELECT DISTINCT task_id FROM events WHERE project_id = $1 "
    "AND seq > CAST($2 AS BIGINT)) AS named JOIN tasks t ON t.id = named.task_id AND t.node >= 0"
)


@dataclass(slots=True)
class Rendering:
    """The texts of one project's tasks, as they were at the event `seq`."""

    plan_version: int = 0
    seq: int = 0
    used_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _phases: dict[str, dict[str, str]] = field(default_factory=dict)
    _joined: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self._phases.values()))

    def question(self, project_id: str) -> Query:
        """Ask for the tasks that are not known as they are now."""
        if self._phases:
            return Query(CHANGED, (project_id, self.seq))
        return Query(ALL, (project_id,))

    def take(self, rows: Iterable[Row], plan_version: int, seq: int) -> bool:
        """Take the answer, which is of the event `seq`; False if all has to be asked for instead."""
        if self._phases and (self.plan_version != plan_version or self.seq > seq):
            self.forget()
            return False
        self.plan_version, self.seq = plan_version, seq
        for phase, task_id, text in rows:
            self._phases.setdefault(phase, {})[task_id] = text
            self._joined.pop(phase, None)
        return True

    def tasks_of(self, phase: str) -> str:
        """Return the JSON array of a phase's tasks, in the order of the plan."""
        found = self._joined.get(phase)
        if found is None:
            found = f"[{','.join(self._phases.get(phase, {}).values())}]"
            self._joined[phase] = found
        return found

    def forget(self) -> None:
        """Know nothing."""
        self._phases, self._joined = {}, {}


class TaskTexts:
    """The renderings of the projects asked about lately."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Rendering] = OrderedDict()

    @asynccontextmanager
    async def of(self, project_id: str) -> AsyncIterator[Rendering]:
        """Give one reader at a time a project's rendering: what it reads and what it takes agree."""
        rendering = self._known.setdefault(project_id, Rendering())
        self._known.move_to_end(project_id)
        try:
            async with rendering.lock:
                if time.monotonic() - rendering.used_at > STALE_SECONDS:
                    rendering.forget()
                yield rendering
                rendering.used_at = time.monotonic()
        finally:
            self._bound()

    def _bound(self) -> None:
        kept = sum(map(len, self._known.values()))
        while len(self._known) > 1 and (kept > MAX_TEXTS or len(self._known) > MAX_PROJECTS):
            _, oldest = self._known.popitem(last=False)
            kept -= len(oldest)
