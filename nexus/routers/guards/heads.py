"""Refuses heads that are too large or malformed, before anything is read of the body."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from nexus.routers.problems import problem

MAX_HEADERS: Final = 32 * 1024
MAX_URL: Final = 2 * 1024


class HeadGuard:
    """Limits of URL and headers, in bytes; no NUL anywhere in the URL."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self.app(scope, receive, send)
            return
        status, detail = refusal
        response = problem(scope, status, detail, headers={"Connection": "close"})
        await response(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
        if headers > MAX_HEADERS:
            return 431, f"the headers are larger than {MAX_HEADERS:,} bytes"
        path = scope.get("raw_path") or scope["path"].encode()
        query = scope["query_string"]
        if len(path) + len(query) + 1 > MAX_URL:
            return 414, f"the URL is longer than {MAX_URL:,} bytes"
        if b"%00" in path or b"%00" in query or "\0" in scope["path"]:
            return 400, "the URL holds a NUL character"
        return None
