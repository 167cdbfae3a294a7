"""A stand-in for the API: a real HTTP server on loopback that gives recorded answers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """One recorded answer."""

    body: Any
    status: int = 200
    media_type: str = "application/json"


@dataclass(slots=True)
class ApiDouble:
    """Answers `METHOD /path` from a table, the last answer of a list again and again."""

    answers: dict[str, list[Reply]]
    url: str = ""
    asked: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    forms: list[bytes] = field(default_factory=list)

    def reply(self, request: str) -> Reply:
        self.asked.append(request)
        left = self.answers.get(request)
        if left is None:
            problem = {"title": "Not Found", "status": 404, "detail": f"no {request}"}
            return Reply(problem, 404, "application/problem+json")
        return left.pop(0) if len(left) > 1 else left[0]


def sse(events: list[dict[str, Any]]) -> Reply:
    """An event stream that ends after `events`."""
    lines = [
        f"id: {event['seq']}\nevent: {event['type']}\ndata: {json.dumps(event)}\n"
        for event in events
    ]
    return Reply(": hello\n\n" + "\n".join(lines) + "\n", media_type="text/event-stream")


@contextmanager
def serving(answers: dict[str, list[Reply]]) -> Iterator[ApiDouble]:
    """Serve recorded answers for the length of the block."""
    double = ApiDouble(answers)

    class Answering(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(length)
            if self.headers.get("content-type") == "application/json":
                double.bodies.append(json.loads(body))
            elif body:
                double.forms.append(body)
            double.headers.append(dict(self.headers))
            reply = double.reply(f"{self.command} {self.path.partition('?')[0]}")
            text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
            self.send_response(reply.status)
            self.send_header("content-type", reply.media_type)
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing."""

    for method in ("GET", "POST", "PATCH", "DELETE"):
        setattr(Answering, f"do_{method}", Answering.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    double.url = f"http://127.0.0.1:{server.server_address[1]}"
    serving_thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving_thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        serving_thread.join()
        server.server_close()
