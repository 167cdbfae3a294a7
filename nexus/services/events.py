"""A project's history: pages of it, and the stream that follows it to its end."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from nexus.domain.clock import rfc3339
from nexus.domain.states import PROJECT_TERMINAL
from nexus.events.bell import Bell
from nexus.models.database import Database
from nexus.models.projects import Event as EventRow
from nexus.models.projects import Project as ProjectRow
from nexus.schemas.events import Event, EventPage
from nexus.services.caller import Caller
from nexus.services.projects import no_project
from nexus.services.reads import reading

STREAM_PAGE: Final = 200
FALLBACK_SECONDS: Final = 1.0
"""How long a stream trusts the bell; after it the database is asked."""

COLUMNS: Final = (
    EventRow.seq,
    EventRow.type,
    EventRow.at,
    EventRow.project_id,
    EventRow.task_id,
    EventRow.subtask_id,
    EventRow.attempt,
    EventRow.data,
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in order, and whether the history ends with them for now."""

    events: list[Event]
    is_over: bool


async def read_batch(
    database: Database, caller: Caller, project_id: str, after: int, limit: int
) -> Batch:
    """Read the events that follow the number `after`.

    Raises:
        NotFound: unknown project, or another workspace's.
    """
    async with reading(database) as session:
        project = (
            await session.execute(
                select(ProjectRow.status, ProjectRow.seq).where(
                    ProjectRow.id == project_id, ProjectRow.workspace == caller.workspace
                )
            )
        ).one_or_none()
        if project is None:
            raise no_project()
        rows = (
            await session.execute(
                select(*COLUMNS)
                .where(EventRow.project_id == project_id, EventRow.seq > after)
                .order_by(EventRow.seq)
                .limit(limit)
            )
        ).all()
    events = [
        Event(
            seq=row.seq,
            type=row.type,
            at=rfc3339(row.at) or "",
            project_id=row.project_id,
            task_id=row.task_id,
            subtask_id=row.subtask_id,
            attempt=row.attempt,
            data=row.data or {},
        )
        for row in rows
    ]
    reached = events[-1].seq if events else after
    return Batch(events, project.status in PROJECT_TERMINAL and reached >= project.seq)


async def list_events(
    database: Database, caller: Caller, project_id: str, after: int, limit: int
) -> EventPage:
    """Return one page of a project's events, oldest first."""
    batch = await read_batch(database, caller, project_id, after, limit + 1)
    shown = batch.events[:limit]
    more = len(batch.events) > limit
    return EventPage(items=shown, next_cursor=str(shown[-1].seq) if more else None)


@dataclass(frozen=True, slots=True)
class Follower:
    """Follows the history of one project."""

    database: Database
    bell: Bell
    caller: Caller
    project_id: str

    async def follow(self, after: int) -> AsyncGenerator[list[Event]]:
        """Yield events as they are committed, an empty list at least every second, until the end.

        Nothing is held between two yields but a place in the bell's list: no session, no
        transaction, and at most one page of events.
        """
        async with self.bell.watch(self.project_id) as watch:
            while True:
                batch = await read_batch(
                    self.database, self.caller, self.project_id, after, STREAM_PAGE
                )
                yield batch.events
                if batch.is_over:
                    return
                if batch.events:
                    after = batch.events[-1].seq
                if len(batch.events) < STREAM_PAGE:
                    await watch.wait(FALLBACK_SECONDS)
