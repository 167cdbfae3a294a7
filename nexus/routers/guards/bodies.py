"""Reads bodies within limits of size and time, and checks JSON before a route parses it."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nexus.errors import CallerError
from nexus.routers.guards.json_limits import check_json
from nexus.routers.problems import caller_problem, problem

MEGABYTE: Final = 1_000_000
UPLOAD_PATHS: Final = frozenset({"/documents"})
OFF_LOOP_BYTES: Final = 64 * 1024
"""Larger bodies are checked in a thread, so that others are served meanwhile."""


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """What one kind of request may send: bytes, JSON values (None: not JSON), seconds in all."""

    size: int
    values: int | None
    seconds: float

    @property
    def excess(self) -> str:
        """Say that a body is larger."""
        return f"the body is too large: at most {self.size // MEGABYTE} MB are taken here"


ORDINARY: Final = BodyLimit(MEGABYTE, 20_000, 30.0)
PLAN: Final = BodyLimit(16 * MEGABYTE, 500_000, 60.0)
# Multipart adds a little to a file of 50 MB.
UPLOAD: Final = BodyLimit(50 * MEGABYTE + 64 * 1024, None, 600.0)


def limit_for(method: str, path: str) -> BodyLimit:
    """Say what a request may send; a plan may be large, a document larger."""
    path = path.rstrip("/")
    if method == "POST" and path in UPLOAD_PATHS:
        return UPLOAD
    if method == "POST" and path == "/projects":
        return PLAN
    if method == "PUT" and path.startswith("/projects/") and path.endswith("/plan"):
        return PLAN
    return ORDINARY


class BodyGuard:
    """Gives routes a body that is whole, within its limits and, where it is JSON, sound.

    Uploads are passed on as they come; everything else is read first.
    """

    def __init__(self, app: ASGIApp, *, idle_seconds: float = 10.0) -> None:
        self.app = app
        self.idle_seconds = idle_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = limit_for(scope["method"], scope["path"])
        source = Source(receive, limit, self.idle_seconds)
        if limit.values is None:
            if declared_length(scope) > limit.size:
                await _refuse(scope, 413, limit.excess)(scope, receive, send)
                return
            await self.app(scope, source.next, send)
            return
        try:
            body = await self._read(scope, source, limit)
        except HTTPException as wrong:
            await _refuse(scope, wrong.status_code, wrong.detail)(scope, receive, send)
        except CallerError as wrong:
            await caller_problem(scope, wrong)(scope, receive, send)
        else:
            if body is not None:
                await self.app(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, source: "Source", limit: BodyLimit) -> bytes | None:
        """Return the whole body, None when the client went away."""
        if declared_length(scope) > limit.size:
            raise HTTPException(413, limit.excess)
        chunks: list[bytes] = []
        more = True
        while more:
            message = await source.next()
            if message["type"] == "http.disconnect":
                return None
            chunks.append(message.get("body", b""))
            more = message.get("more_body", False)
        body = b"".join(chunks)
        if body and limit.values is not None:
            if len(body) > OFF_LOOP_BYTES:
                await asyncio.to_thread(check_json, body, limit.values)
            else:
                check_json(body, limit.values)
        return body


class Source:
    """A body as it arrives, counted and timed."""

    def __init__(self, receive: Receive, limit: BodyLimit, idle_seconds: float) -> None:
        self._receive = receive
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._deadline = time.monotonic() + limit.seconds
        self._size = 0
        self._whole = False

    async def next(self) -> Message:
        """Return the next piece.

        Raises:
            HTTPException: 408 when it does not come in time, 413 when it is too much.
        """
        if self._whole:
            # Only the client's going away is left to hear of; that has no deadline.
            return await self._receive()
        seconds = min(self._idle_seconds, self._deadline - time.monotonic())
        try:
            async with asyncio.timeout(seconds):
                message = await self._receive()
        except TimeoutError as late:
            raise HTTPException(408, "the body came too slowly") from late
        self._size += len(message.get("body", b""))
        if self._size > self._limit.size:
            raise HTTPException(413, self._limit.excess)
        self._whole = not message.get("more_body", False)
        return message


def declared_length(scope: Scope) -> int:
    """Return the Content-Length, 0 when there is none or it is no number."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


def _refuse(scope: Scope, status: int, detail: str) -> Response:
    # The rest of the body is not read: this connection cannot serve another request.
    return problem(scope, status, detail, headers={"Connection": "close"})


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def next_message() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message
