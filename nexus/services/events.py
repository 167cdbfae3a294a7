"""A project's history in pages, written by the database as the text that is sent.

`data` is JSON in its column already: nothing of an event is decoded here.
"""

from dataclasses import dataclass
from typing import Final

from nexus.domain.states import PROJECT_TERMINAL
from nexus.models.database import Database
from nexus.models.writing import Query
from nexus.services.projects import no_project

EVENT: Final = (
    """'{"seq":' || seq || ',"type":"' || type || '","at":"' || RFC3339(at) """
    """|| '","project_id":"' || project_id || '","task_id":' """
    """|| COALESCE('"' || task_id || '"', 'null') || ',"subtask_id":' """
    """|| COALESCE('"' || subtask_id || '"', 'null') || ',"attempt":' """
    """|| COALESCE(CAST(attempt AS VARCHAR), 'null') || ',"data":' """
    """|| COALESCE(data, '{}') || '}'"""
)
MESSAGE: Final = f"'id: ' || seq || '\nevent: ' || type || '\ndata: ' || {EVENT} || '\n\n'"
"""An event the way Server-Sent Events want it; its JSON has no line breaks of its own."""

PAGE: Final = (
    "SELECT p.status, p.seq, page.body, page.reached FROM projects p CROSS JOIN "
    "(SELECT JOINED(body, {between}) AS body, max(seq) AS reached FROM "
    "(SELECT seq, {event} AS body FROM events WHERE project_id = $1 "
    "AND seq > CAST($2 AS BIGINT) ORDER BY seq LIMIT CAST($3 AS BIGINT)) AS listed) AS page "
    "WHERE p.id = $1"
)
LISTED: Final = PAGE.format(event=EVENT, between="','")
STREAMED: Final = PAGE.format(event=MESSAGE, between="''")
OWNED: Final = " AND p.workspace = $4"


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in order: text, the number of the last one, and how the history stands behind it."""

    text: str
    reached: int
    has_more: bool
    is_over: bool


async def read_stream_page(
    database: Database, project_id: str, after: int, limit: int
) -> EventPage:
    """Read events as messages of a stream, for whoever was let in by `require_project`.

    Raises:
        NotFound: there is no such project any more.
    """
    return await _read(database, Query(STREAMED, (project_id, after, limit)), after)


async def list_events(
    database: Database, workspace: str, project_id: str, after: int, limit: int
) -> str:
    """Write one page of a project's events, oldest first, as JSON of the schema `EventPage`.

    Raises:
        NotFound: unknown project, or another workspace's.
    """
    question = Query(LISTED + OWNED, (project_id, after, limit, workspace))
    page = await _read(database, question, after)
    following = f'"{page.reached}"' if page.has_more else "null"
    return f'{{"items":[{page.text}],"next_cursor":{following}}}'


async def _read(database: Database, question: Query, after: int) -> EventPage:
    (rows,) = await database.ask(question)
    if not rows:
        raise no_project()
    status, seq, text, reached = rows[0]
    reached = after if reached is None else reached
    has_more = reached < seq
    return EventPage(text or "", reached, has_more, not has_more and status in PROJECT_TERMINAL)


async def require_project(database: Database, workspace: str, project_id: str) -> None:
    """Make sure that a workspace has a project.

    Raises:
        NotFound: it has not.
    """
    owner = Query(
        "SELECT 1 FROM projects WHERE id = $1 AND workspace = $2", (project_id, workspace)
    )
    (rows,) = await database.ask(owner)
    if not rows:
        raise no_project()
