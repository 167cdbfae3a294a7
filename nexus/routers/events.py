"""/projects/{id}/events: the history of a project, in pages or as it happens."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response, StreamingResponse

from nexus.errors import NotFound, ServiceMissing, Unauthorized
from nexus.events.hearing import Ear, Hearing
from nexus.routers.access import Opened, Reader
from nexus.routers.answers import prefers
from nexus.routers.guards.keys import verify
from nexus.routers.streams import Streams
from nexus.schemas.events import EventHeaders, EventPage, EventParams
from nexus.services.events import list_events, require_project
from nexus.services.tails import Tails

STREAM: Final = "text/event-stream"
HEARTBEAT_SECONDS: Final = 10.0
VERIFY_SECONDS: Final = 1.0
PIECE_BYTES: Final = 32_768
"""What is written at once: a reader that is slow leaves so much behind, and not a page."""
HEARTBEAT: Final = b": still here\n\n"

router = APIRouter(tags=["events"])


@router.get(
    "/projects/{project_id}/events",
    response_model=EventPage,
    responses={200: {"content": {STREAM: {}}}},
)
@router.get("/projects/{project_id}/events/", response_model=EventPage, include_in_schema=False)
async def events(
    request: Request,
    caller: Reader,
    parts: Opened,
    project_id: str,
    wanted: Annotated[EventParams, Query()],
    sent: Annotated[EventHeaders, Header()],
) -> Response:
    """Read a project's history, or with `Accept: text/event-stream` follow it to its end.

    In the stream, `id` is the number of the event: after a break, go on with Last-Event-ID.
    `model.delta` messages have no number: they are words of a model that is still writing.
    """
    after = wanted.begins_after if sent.last_event_id is None else int(sent.last_event_id)
    if not prefers(sent.accept, STREAM, over="application/json"):
        body = await list_events(parts.database, caller.workspace, project_id, after, wanted.limit)
        return Response(body, media_type="application/json")
    # A stream that has begun cannot answer 404 any more.
    await require_project(parts.database, caller.workspace, project_id)
    streams: Streams = request.app.state.streams
    streams.require_room()
    return StreamingResponse(
        _Stream(request, streams, project_id, wanted.deltas).write(after),
        media_type=STREAM,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@dataclass(frozen=True, slots=True)
class _Stream:
    """One open event stream."""

    request: Request
    streams: Streams
    project_id: str
    hears: bool

    async def write(self, after: int) -> AsyncIterator[bytes]:
        """Write events until the history ends, the key does, the project goes or the server stops."""
        tails: Tails = self.request.app.state.tails
        verified = time.monotonic()
        rest = _Rest(verified)
        with self.streams.one_more():
            yield b": events of a project\n\n"
            async with (
                self._ear() as ear,
                aclosing(tails.follow(self.project_id, after)) as batches,
            ):
                heard = ear.count if ear else 0
                try:
                    async for batch in batches:
                        for at in range(0, len(batch.messages), PIECE_BYTES):
                            yield batch.messages[at : at + PIECE_BYTES]
                        words = ear.since(heard) if ear else ()
                        heard = ear.count if ear else 0
                        for message in words:
                            yield message
                        if rest.is_too_long(bool(batch.messages or words)):
                            yield HEARTBEAT
                        if self.streams.is_closing():
                            return
                        if time.monotonic() - verified >= VERIFY_SECONDS:
                            verified = time.monotonic()
                            await verify(self.request.app.state.keyring, self.request.headers)
                        await asyncio.sleep(self.streams.rest_seconds())
                except (Unauthorized, NotFound, ServiceMissing):
                    return

    def _ear(self) -> AbstractAsyncContextManager[Ear | None]:
        hearing: Hearing = self.request.app.state.hearing
        return hearing.listen_to(self.project_id) if self.hears else nullcontext()


@dataclass(slots=True)
class _Rest:
    """How long a stream has said nothing."""

    spoke: float

    def is_too_long(self, spoke: bool) -> bool:
        """Note what was said just now; tell whether a sign of life is due instead."""
        now = time.monotonic()
        is_due = not spoke and now - self.spoke >= HEARTBEAT_SECONDS
        if spoke or is_due:
            self.spoke = now
        return is_due
