"""Replies of the scripted model as a stream of pieces, the way OpenAI-compatible servers send them.

Called by `tests/scripted_model.py` for requests that ask for it.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Streamed:
    """A text in pieces, whole to who asks for no stream; `cut` and `stall` come after the pieces.

    `between` is awaited before each piece; without `is_finished` the stream just ends.
    """

    pieces: tuple[str, ...] = ()
    between: Callable[[int], Awaitable[None]] | None = None
    cut: bool = False
    stall: bool = False
    is_finished: bool = True
    counts: bool = True

    @property
    def content(self) -> str:
        return "".join(self.pieces)


def asks_for_stream(body: bytes) -> bool:
    return b'"stream"' in body and bool(json.loads(body).get("stream"))


async def stream(
    writer: asyncio.StreamWriter, given: Streamed, whole: dict[str, Any], request: dict[str, Any]
) -> bool:
    """Write a completion in pieces; return whether the connection stays open."""
    head = "HTTP/1.1 200 Scripted\r\nContent-Type: text/event-stream\r\n"
    writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
    (choice,) = whole.pop("choices")
    usage = whole.pop("usage")
    about = {**whole, "object": "chat.completion.chunk"}

    def write(*choices: dict[str, Any], **more: Any) -> None:
        _write_chunk(writer, "data: " + json.dumps({**about, "choices": choices, **more}))

    write({"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None})
    for at, delta in enumerate(_deltas(choice["message"], given.pieces)):
        if given.between is not None:
            await given.between(at)
        write({"index": 0, "delta": delta, "finish_reason": None})
        await writer.drain()
    if given.stall:
        await asyncio.Event().wait()
    if given.cut:
        return False
    if given.is_finished:
        write({"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]})
    if given.counts and (request.get("stream_options") or {}).get("include_usage"):
        write(usage=usage)
    _write_chunk(writer, "data: [DONE]")
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


def _deltas(message: dict[str, Any], pieces: tuple[str, ...]) -> list[dict[str, Any]]:
    """Split a message the way servers do: words, and arguments of tool calls in two halves."""
    content = message.get("content") or ""
    deltas: list[dict[str, Any]] = [{"content": piece} for piece in pieces]
    if not pieces:
        deltas = [{"content": content[at : at + 4_096]} for at in range(0, len(content), 4_096)]
    for index, call in enumerate(message.get("tool_calls") or ()):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        half = len(arguments) // 2
        begun = {"name": name, "arguments": arguments[:half]}
        deltas.append({"tool_calls": [{**call, "index": index, "function": begun}]})
        rest = {"index": index, "function": {"arguments": arguments[half:]}}
        deltas.append({"tool_calls": [rest]})
    return deltas


def _write_chunk(writer: asyncio.StreamWriter, line: str) -> None:
    event = f"{line}\n\n".encode()
    writer.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
