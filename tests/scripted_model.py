"""A language model that says what a script tells it: an OpenAI-compatible server on loopback.

In tests: `async with ScriptedModel(script) as model: ... model.base_url`. On its own:
`python -m tests.scripted_model --port 8099 --delay 1`. A script takes the request's JSON and
returns a reply (a string is text), or a coroutine of one, so that it can wait on an event.
"""

import argparse
import asyncio
import inspect
import itertools
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from tests.scripted_stream import Streamed, asks_for_stream, stream


@dataclass(frozen=True, slots=True)
class Text:
    """A plain answer."""

    content: str
    delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """An answer that calls tools: (name, arguments or raw argument text) each; ids are optional."""

    calls: tuple[tuple[str, Mapping[str, Any] | str], ...]
    content: str | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Raw:
    """Any HTTP answer; in the middle of the body `cut` closes the connection, `stall` says no more."""

    status: int = 200
    body: str | bytes = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    cut: bool = False
    stall: bool = False


@dataclass(frozen=True, slots=True)
class HangUp:
    """No answer: the connection is closed."""


ANSWERED = ("/chat/completions", "/embeddings")
Reply = Text | ToolCalls | Raw | Streamed | HangUp | str
Script = Callable[[dict[str, Any]], Reply | Awaitable[Reply]]


def error(status: int, message: str = "no", **headers: str) -> Raw:
    """Make an error answer of the usual shape; `retry_after` becomes `Retry-After`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Raw(status, json.dumps({"error": {"message": message, "type": "error"}}), named)


class ScriptedModel:
    """Serves a script; keeps every request, counts calls and how many were open at once.

    Who asks for a stream gets one, unless the reply is `Raw` or `streams` is False.
    """

    def __init__(self, script: Script = lambda request: "ok", *, port: int = 0) -> None:
        self.script = script
        self.streams = True
        self.loaded: list[dict[str, Any]] = []  # as an Ollama tells it
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.arrived_us: list[int] = []
        self.open = 0
        self.max_open = 0
        self.port = port
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)

    @property
    def calls(self) -> int:
        """How many completions were asked for."""
        return len(self.requests)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def prompt(self, call: int = -1) -> str:
        """Return all text of a request, roles left out."""
        messages = self.requests[call]["messages"]
        return "\n".join(str(message.get("content") or "") for message in messages)

    async def wait_for_calls(self, count: int) -> None:
        """Wait until `count` completions have been asked for."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self.calls >= count)

    async def wait_for_none_open(self) -> None:
        """Wait until every completion asked for is answered, or its client has hung up."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self.open == 0)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, backlog=2_048, limit=2**24
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def serve_forever(self) -> None:
        """Serve until cancelled."""
        async with self:
            await asyncio.Event().wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
        try:
            while await self._answer_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            if task is not None:
                self._connections.discard(task)

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.rstrip().split("\r\n")
        named = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in named}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        reply: Reply = error(404, "not here")
        model, number = "", 0
        if request_line.startswith("POST") and request_line.split()[1].endswith(ANSWERED):
            request = json.loads(body)
            number = await self._note(request, headers)
            reply = await self._play_unless_left(reader, request)
            model = request.get("model", "scripted")
        elif "/models" in request_line or "/api/ps" in request_line:
            reply = Raw(body=json.dumps({"data": [{"id": "scripted"}], "models": self.loaded}))
        raw = self._render(reply, model, number)
        if raw is None:
            return False
        if self.streams and not isinstance(reply, Raw) and asks_for_stream(body):
            given = reply if isinstance(reply, Streamed) else Streamed()
            return await stream(writer, given, json.loads(raw.body), json.loads(body))
        return await _send(writer, raw)

    async def _note(self, request: dict[str, Any], headers: dict[str, str]) -> int:
        """Keep a request; return its number, which its answer's id ends with."""
        async with self._arrived:
            self.requests.append(request)
            self.headers.append(headers)
            self.arrived_us.append(time.time_ns() // 1_000)
            self.open += 1
            self.max_open = max(self.max_open, self.open)
            self._arrived.notify_all()
            return len(self.requests)

    async def _play_unless_left(
        self, reader: asyncio.StreamReader, request: dict[str, Any]
    ) -> Reply:
        """Play, but stop when the client hangs up: a client that waits sends nothing."""
        playing = asyncio.ensure_future(self._play(request))
        leaving = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({playing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            return playing.result() if playing.done() else HangUp()
        finally:
            for each in (playing, leaving):
                each.cancel()
            await asyncio.wait({playing, leaving})
            self.open -= 1
            async with self._arrived:
                self._arrived.notify_all()

    async def _play(self, request: dict[str, Any]) -> Reply:
        answer = self.script(request)
        reply: Reply = await answer if inspect.isawaitable(answer) else answer
        if isinstance(reply, Text) and reply.delay_seconds:
            await asyncio.sleep(reply.delay_seconds)
        return reply

    def _render(self, reply: Reply, model: str, number: int) -> Raw | None:
        if isinstance(reply, HangUp):
            return None
        if isinstance(reply, Raw):
            return reply
        if isinstance(reply, ToolCalls):
            message: dict[str, Any] = {"role": "assistant", "content": reply.content}
            message["tool_calls"] = [self._tool_call(reply, at) for at in range(len(reply.calls))]
            return self._completion(message, "tool_calls", model, number)
        content = reply if isinstance(reply, str) else reply.content
        return self._completion({"role": "assistant", "content": content}, "stop", model, number)

    def _tool_call(self, reply: ToolCalls, at: int) -> dict[str, Any]:
        name, arguments = reply.calls[at]
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        call_id = reply.ids[at] if at < len(reply.ids) else f"call_{next(self._numbers)}"
        return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}

    def _completion(self, message: dict[str, Any], finish: str, model: str, number: int) -> Raw:
        body = {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 1_760_000_000,
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        }
        return Raw(body=json.dumps(body))


async def _send(writer: asyncio.StreamWriter, raw: Raw) -> bool:
    """Write an answer; return whether the connection stays open."""
    body = raw.body.encode() if isinstance(raw.body, str) else raw.body
    headers = {"Content-Type": raw.content_type, "Content-Length": str(len(body)), **raw.headers}
    lines = [f"HTTP/1.1 {raw.status} Scripted", *(f"{k}: {v}" for k, v in headers.items())]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    writer.write(head + (body[: len(body) // 2] if raw.cut or raw.stall else body))
    await writer.drain()
    if raw.stall:
        await asyncio.Event().wait()
    return not raw.cut


PLAN = {
    "phases": [
        {
            "key": "work",
            "title": "Work",
            "tasks": [
                {
                    "key": "look",
                    "title": "Look",
                    "agent": "research",
                    "instructions": "Look it up.",
                },
                {
                    "key": "write",
                    "title": "Write",
                    "agent": "content",
                    "instructions": "Write it up.",
                    "depends_on": ["look"],
                },
            ],
        }
    ]
}


def stand_in(delay_seconds: float) -> Script:
    """Make the script of the standalone server: a plan when one can be submitted, else a sentence."""

    async def script(request: dict[str, Any]) -> Reply:
        await asyncio.sleep(delay_seconds)
        tools = {tool["function"]["name"] for tool in request.get("tools", ())}
        if "submit_plan" in tools:
            return ToolCalls((("submit_plan", PLAN),))
        return f"A scripted answer of the model {request.get('model')}."

    return script


def main() -> None:
    """Serve the stand-in script until interrupted."""
    parser = argparse.ArgumentParser(
        description="an OpenAI-compatible server that follows a script"
    )
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    options = parser.parse_args()
    server = ScriptedModel(stand_in(options.delay), port=options.port)
    with asyncio.Runner() as runner:
        try:
            runner.run(server.serve_forever())
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
