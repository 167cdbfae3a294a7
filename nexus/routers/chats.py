"""/agents/{name}/chat: speak to an agent, and hear its answer as it comes or at once."""

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response, StreamingResponse

from nexus.errors import NotFound, ServiceMissing, Unauthorized
from nexus.events.hearing import Hearing
from nexus.routers.access import Agents, Author, IdempotencyKey, Opened, Operator, Reader, once
from nexus.routers.answers import prefers
from nexus.routers.guards.keys import verify
from nexus.routers.streams import Streams
from nexus.schemas.chats import ChatHeaders, ChatMessage, ChatParams, Conversation, Exchange
from nexus.schemas.strictness import NoFields
from nexus.services.chats import (
    Sent,
    drop_conversation,
    send_message,
    show_conversation,
    show_exchange,
    stop_conversation,
)
from nexus.services.idempotency import fingerprint_of
from nexus.services.replies import Replies, Standing

STREAM: Final = "text/event-stream"
HEARTBEAT_SECONDS: Final = 10.0
VERIFY_SECONDS: Final = 1.0
WAIT_SECONDS: Final = 600.0
"""How long a request without a stream is held; then it is answered with what there is."""
ENDINGS: Final = {
    "succeeded": "message.answered",
    "failed": "message.failed",
    "cancelled": "message.cancelled",
}

router = APIRouter(tags=["agents"])


@router.post(
    "/agents/{name}/chat",
    response_model=Exchange,
    responses={200: {"content": {STREAM: {}}}, 202: {"model": Exchange}},
)
async def chat(
    request: Request,
    caller: Operator,
    parts: Opened,
    workshop: Agents,
    name: str,
    wanted: ChatMessage,
    sent: Annotated[ChatHeaders, Header()],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Send a message and wait for the answer; with `Accept: text/event-stream` follow its making.

    `model.delta` messages are words of the model while it writes; the last event has the answer.
    Hanging up does not stop the agent: the conversation has the answer afterwards.
    """
    streams: Streams = request.app.state.streams
    streams.require_room()
    promise = once(request, caller, idempotency_key, fingerprint_of(wanted.model_dump_json()))
    taken = await send_message(
        parts.engine, workshop, caller, (parts.database, name), wanted, promise
    )
    follower = _Follower(request, streams, request.app.state.replies, taken)
    headers = {"Idempotent-Replayed": "true"} if taken.is_replayed else {}
    if prefers(sent.accept, STREAM, over="application/json"):
        headers |= {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(follower.write(), media_type=STREAM, headers=headers)
    await follower.wait()
    shown = await show_exchange(parts.database, taken.subtask_id)
    return Response(
        shown.model_dump_json(),
        200 if shown.status in ENDINGS else 202,
        headers,
        media_type="application/json",
    )


@router.get("/agents/{name}/chat/{conversation_id}")
async def conversation(
    caller: Reader,
    parts: Opened,
    name: str,
    conversation_id: str,
    wanted: Annotated[ChatParams, Query()],
) -> Conversation:
    """Show a conversation: its messages in order, each with its answer or where that stands."""
    return await show_conversation(parts.database, caller, name, conversation_id, wanted)


@router.post(
    "/agents/{name}/chat/{conversation_id}/cancel", status_code=202, response_model=Exchange
)
async def stop(
    request: Request,
    caller: Operator,
    parts: Opened,
    name: str,
    conversation_id: str,
    _: NoFields | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Stop the answer under way within seconds; the conversation can go on."""
    promise = once(request, caller, idempotency_key, fingerprint_of(""))
    stopped, is_replayed = await stop_conversation(
        parts.engine, caller, name, conversation_id, promise
    )
    shown = await show_exchange(parts.database, stopped)
    headers = {"Idempotent-Replayed": "true"} if is_replayed else {}
    return Response(shown.model_dump_json(), 202, headers, media_type="application/json")


@router.delete("/agents/{name}/chat/{conversation_id}", status_code=204)
async def remove(
    request: Request, caller: Author, parts: Opened, name: str, conversation_id: str
) -> None:
    """Delete a conversation and its files; an answer under way is stopped."""
    data = parts.settings.data
    await drop_conversation(parts.engine, data, caller, name, conversation_id)


@dataclass(frozen=True, slots=True)
class _Follower:
    """Somebody who waits for one answer."""

    request: Request
    streams: Streams
    replies: Replies
    taken: Sent

    async def wait(self) -> None:
        """Return when the answer is there, the client or the server has gone, or time is up."""
        until = time.monotonic() + WAIT_SECONDS
        with self.streams.one_more():
            async with aclosing(self.replies.follow(self.taken.subtask_id)) as standings:
                async for _ in standings:
                    is_left = await self.request.is_disconnected()
                    if is_left or self.streams.is_closing() or time.monotonic() > until:
                        return

    async def write(self) -> AsyncIterator[bytes]:
        """Write what happens as events of a stream, the answer last."""
        with self.streams.one_more():
            yield _event("message.started", self._about())
            try:
                async with aclosing(self._write()) as messages:
                    async for message in messages:
                        yield message
            except (Unauthorized, NotFound, ServiceMissing):
                return

    async def _write(self) -> AsyncGenerator[bytes]:
        told: set[int] = set()
        heard = 0
        spoke = verified = time.monotonic()
        hearing: Hearing = self.request.app.state.hearing
        subtask_id = self.taken.subtask_id
        async with (
            hearing.listen_to(subtask_id) as ear,
            aclosing(self.replies.follow(subtask_id)) as standings,
        ):
            async for standing in standings:
                news = b"".join(ear.since(heard)) + self._news(standing, told)
                heard = ear.count
                now = time.monotonic()
                if news or now - spoke >= HEARTBEAT_SECONDS:
                    spoke = now
                    yield news or b": still here\n\n"
                if standing.is_over:
                    yield await self._ending()
                if self.streams.is_closing():
                    return
                if now - verified >= VERIFY_SECONDS:
                    verified = now
                    await verify(self.request.app.state.keyring, self.request.headers)

    def _news(self, standing: Standing, told: set[int]) -> bytes:
        """Tell of the calls that were made since."""
        about = {"subtask_id": self.taken.subtask_id, "attempt": standing.attempt}
        new = [one for one in standing.calls if one.number not in told]
        told.update(one.number for one in new)
        return b"".join(_event(one.event, {**about, **one.data}) for one in new)

    async def _ending(self) -> bytes:
        database = self.request.app.state.parts.database
        try:
            shown = await show_exchange(database, self.taken.subtask_id)
        except NotFound as gone:
            error = {"code": "conversation_removed", "message": gone.message, "hint": gone.hint}
            return _event("message.cancelled", {**self._about(), "error": error})
        return _event(ENDINGS[shown.status], shown.model_dump())

    def _about(self) -> dict[str, Any]:
        taken = self.taken
        return {
            "conversation_id": taken.conversation_id,
            "subtask_id": taken.subtask_id,
            "agent": taken.agent,
            "number": taken.number,
            "left_out": taken.left_out,
        }


def _event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
