"""A bare HTTP/1.1 client: one kept connection, so that what is measured is the server."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Wire:
    """One connection to the API, with a key."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    key: str

    @classmethod
    async def open(cls, port: int, key: str, buffer: int = 2**16) -> Self:
        """Connect; `buffer` bounds what is read ahead, in bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=buffer)
        return cls(reader, writer, key)

    def close(self) -> None:
        self.writer.close()

    async def send(self, method: str, path: str, body: bytes = b"", accept: str = "*/*") -> None:
        """Send one request."""
        self.writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: nexus\r\nAuthorization: Bearer {self.key}\r\n"
            f"Accept: {accept}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        """Read a status and headers."""
        raw = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = raw.strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return int(first.split()[1]), headers

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Send a request and read its whole answer."""
        await self.send(method, path, b"" if body is None else json.dumps(body).encode())
        status, headers = await self.head()
        return status, await self.reader.readexactly(int(headers["content-length"]))

    async def timed(self, path: str) -> tuple[float, bytes]:
        """Read a page; return the milliseconds it took and its body."""
        begun = time.perf_counter()
        status, body = await self.ask("GET", path)
        took_ms = (time.perf_counter() - begun) * 1000
        if status != 200:
            raise RuntimeError(f"{path}: {status} {body[:200]!r}")
        return took_ms, body

    async def follow(self, path: str) -> AsyncIterator[bytes]:
        """Follow an event stream to its end, line by line."""
        await self.send("GET", path, accept="text/event-stream")
        await self.head()
        # The chunk of no length is the end: the connection is kept for another request.
        while (line := (await self.reader.readline()).strip()) != b"0":
            yield line
