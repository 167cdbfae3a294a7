"""An OpenAI-compatible server that answers at once, or after as long as the model's name says.

Run as a process of its own: `python -m benchmarks.model_server`; prints its port. The model
`rounds-10` calls the first tool it is offered until ten results are in the conversation;
`after-1.0` answers after a second.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any, Final, cast

import uvloop

TOOL_ARGUMENTS: Final = json.dumps({"line": "a line"})
USAGE: Final = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Write the completion that a request gets."""
    kind, _, number = str(request["model"]).partition("-")
    rounds = int(number) if kind == "rounds" else 0
    done = sum(message["role"] == "tool" for message in request["messages"])
    message: dict[str, Any] = {"role": "assistant", "content": "It is done."}
    if done < rounds:
        name = request["tools"][0]["function"]["name"]
        called = {"name": name, "arguments": TOOL_ARGUMENTS}
        call = {"id": f"call_{done}", "type": "function", "function": called}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    return {
        "id": f"chatcmpl-{done}",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": request["model"],
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": "tool_calls" if done < rounds else "stop",
            }
        ],
        "usage": USAGE,
    }


def delay_of(request: Mapping[str, Any]) -> float:
    """Read from the model's name how many seconds to wait."""
    kind, _, number = str(request["model"]).partition("-")
    return float(number) if kind == "after" else 0.0


class Conversation(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self) -> None:
        self._held = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (request := self._take()) is not None:
            self._serve(request)

    def _take(self) -> bytes | None:
        head, ended, rest = self._held.partition(b"\r\n\r\n")
        if not ended:
            return None
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if len(rest) < length:
            return None
        self._held = rest[length:]
        return rest[:length]

    def _serve(self, body: bytes) -> None:
        if not body:
            self._send({"object": "list", "data": []})
            return
        request = json.loads(body)
        seconds = delay_of(request)
        if seconds:
            asyncio.get_running_loop().call_later(seconds, self._send, answer(request))
        else:
            self._send(answer(request))

    def _send(self, value: object) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        body = json.dumps(value).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self._transport.write(head % len(body) + body)


async def serve() -> None:
    """Serve on a free port, whose number is printed, until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Conversation, "127.0.0.1", 0, backlog=4_096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(serve())
