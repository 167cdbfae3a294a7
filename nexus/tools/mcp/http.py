"""A server that is running somewhere, spoken to over streamable HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2

from nexus.tools.mcp.configuration import ServerSettings
from nexus.tools.mcp.wire import (
    MOST_MESSAGE,
    Dialect,
    LinkLost,
    Message,
    notification,
    request,
    result_of,
)

SESSION: Final = "mcp-session-id"
CONNECT_SECONDS: Final = 10.0


class HttpLink:
    """A session with a server, or none where its revision knows none."""

    def __init__(self, settings: ServerSettings) -> None:
        self.dialect = Dialect()
        self.is_open = True
        self._url = settings.url or ""
        self._session: str | None = None
        self._number = 0
        self._client = httpx2.AsyncClient(
            trust_env=False,
            timeout=httpx2.Timeout(settings.timeout_seconds, connect=CONNECT_SECONDS),
            headers=settings.headers,
        )

    async def request(self, method: str, params: Message, seconds: float) -> Message:
        self._number += 1
        asked = request(self._number, method, self.dialect.params(params))
        async with asyncio.timeout(seconds):
            answer = await self._post(asked, self._headers(method, params))
        if answer is None:
            raise self._lost("it did not answer")
        return result_of(answer)

    async def notify(self, method: str) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            await self._post(notification(method), self._headers(method, {}))

    async def close(self) -> None:
        self.is_open = False
        await self._client.aclose()

    def _headers(self, method: str, params: Message) -> dict[str, str]:
        headers = {"Accept": "application/json, text/event-stream"}
        if method != "initialize":
            headers["MCP-Protocol-Version"] = self.dialect.revision
        if self._session:
            headers[SESSION] = self._session
        if self.dialect.is_stateless:
            headers["Mcp-Method"] = method
            name = params.get("name")
            if isinstance(name, str) and name.isascii() and name.isprintable():
                headers["Mcp-Name"] = name
        return headers

    async def _post(self, message: Message, headers: dict[str, str]) -> Message | None:
        """Send a message; return the answer to it, None where there is none."""
        try:
            async with self._client.stream(
                "POST", self._url, json=message, headers=headers
            ) as response:
                self._session = response.headers.get(SESSION, self._session)
                return await self._answer(response, message.get("id"))
        except httpx2.TimeoutException as late:
            raise TimeoutError from late
        except httpx2.HTTPError as wrong:
            raise self._lost(f"it is out of reach ({type(wrong).__name__})") from wrong

    async def _answer(self, response: httpx2.Response, number: object) -> Message | None:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if response.status_code == 202:
            return None
        if kind == "text/event-stream" and response.status_code == 200:
            async for text in _events(response):
                found = _message(text)
                if found is not None and found.get("id") == number and "method" not in found:
                    return found
            return None
        body = b"".join([chunk async for chunk in _bounded(response)])
        found = _message(body)
        if found is not None and ("result" in found or "error" in found):
            return found
        raise self._lost(f"it answered {response.status_code}")

    def _lost(self, why: str) -> LinkLost:
        self.is_open = False
        return LinkLost(why)


async def _bounded(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Read a body; one beyond every measure is not read to its end."""
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > MOST_MESSAGE:
            raise LinkLost(f"it answered with more than {MOST_MESSAGE} bytes")
        yield chunk


async def _events(response: httpx2.Response) -> AsyncIterator[str]:
    """Read the data of server-sent events.

    Source: html.spec.whatwg.org, section 9.2.
    """
    left, data = b"", list[str]()
    async for chunk in _bounded(response):
        *lines, left = (left + chunk).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" ").decode("utf-8", "replace"))
            elif not line and data:
                yield "\n".join(data)
                data.clear()


def _message(text: str | bytes) -> Message | None:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
