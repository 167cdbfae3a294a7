"""The outermost guard: every request gets an id, every answer carries it, every end is logged."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nexus.logs import get_log
from nexus.routers.problems import request_id_of

log = get_log("nexus.http")


class NamingGuard:
    """Adds X-Request-ID and one line to the log; knows nothing else of the request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = request_id_of(scope)
        begun = time.monotonic()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                others = [pair for pair in message["headers"] if pair[0].lower() != b"x-request-id"]
                message = {
                    **message,
                    "headers": [
                        *others,
                        (b"x-request-id", request_id.encode()),
                        (b"x-content-type-options", b"nosniff"),
                        (b"cache-control", b"no-store"),
                    ],
                }
            await send(message)

        try:
            await self.app(scope, receive, answer)
        finally:
            log.debug(
                "request.answered",
                request_id=request_id,
                method=scope["method"],
                status=status,
                seconds=round(time.monotonic() - begun, 4),
            )
