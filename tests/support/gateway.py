"""A way to a server that can be closed and opened again: what a server being away looks like."""

import asyncio
from typing import Self
from urllib.parse import urlsplit, urlunsplit


class Gateway:
    """Passes bytes on between clients and the server of `url` while it is open."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 0)
        self._parts = parts
        self._server: asyncio.Server | None = None
        self._port = 0
        self._ways: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The server's address, by way of this gateway."""
        user = self._parts.netloc.rpartition("@")[0]
        place = f"{user}@127.0.0.1:{self._port}" if user else f"127.0.0.1:{self._port}"
        return urlunsplit(self._parts._replace(netloc=place))

    async def open(self) -> None:
        """Let clients through, at the same address as before."""
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def shut(self) -> None:
        """Refuse clients, and cut off those who are through."""
        if self._server is not None:
            self._server.close()
        for way in self._ways:
            way.cancel()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.shut()
        await asyncio.gather(*self._ways, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._ways.add(task)
        try:
            there, back = await asyncio.open_connection(*self._target)
            try:
                both = (_copy(reader, back), _copy(there, writer))
                await asyncio.gather(*both)
            finally:
                back.close()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._ways.discard(task)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()
