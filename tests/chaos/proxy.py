"""A TCP proxy for faults of the wire: latency, cuts, silence, and answers that get lost.

A lost answer is the worst of them: the server has done what was asked, and the client
cannot know. Put before Redis or PostgreSQL by handing out `port` instead of the server's.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

CHUNK: Final = 65_536


@dataclass(slots=True, eq=False)
class _Link:
    """One client's connection and its other half at the server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    is_losing: bool = False  # what was asked last is to be done and not answered

    def cut(self) -> None:
        for side in (self.client, self.server):
            side.transport.abort()


class Proxy:
    """Passes bytes on between any number of clients and one server of loopback."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.latency_seconds = 0.0
        self.is_down = False  # whoever connects is hung up on
        self.lost = 0  # answers dropped so far
        self._target = target
        self._loses: Callable[[bytes], bool] | None = None
        self._links: set[_Link] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        while self._pumps:
            await asyncio.wait(set(self._pumps))

    def cut(self) -> None:
        """Break every connection there is; new ones are served unless `is_down`."""
        for link in set(self._links):
            link.cut()

    def lose_answers(self, to: Callable[[bytes], bool] | None) -> None:
        """From now on let requests for which `to` is true be done, and cut instead of answering.

        `to` sees each piece of a request as it comes; None stops it.
        """
        self._loses = to

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pump = asyncio.current_task()
        if pump is not None:
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)
        try:
            if not self.is_down:
                await self._join(reader, writer)
        except OSError:
            return  # the server is away, or either side hung up
        finally:
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, server = await asyncio.open_connection("127.0.0.1", self._target)
        link = _Link(writer, server)
        self._links.add(link)
        try:
            await asyncio.gather(
                self._ask(reader, link), self._answer(answers, link), return_exceptions=True
            )
        finally:
            self._links.discard(link)
            link.cut()

    async def _ask(self, reader: asyncio.StreamReader, link: _Link) -> None:
        try:
            while data := await reader.read(CHUNK):
                await asyncio.sleep(self.latency_seconds)
                if self._loses is not None and self._loses(data):
                    link.is_losing = True
                link.server.write(data)
                await link.server.drain()
        finally:
            link.cut()

    async def _answer(self, answers: asyncio.StreamReader, link: _Link) -> None:
        try:
            while data := await answers.read(CHUNK):
                if link.is_losing:
                    self.lost += 1
                    return
                await asyncio.sleep(self.latency_seconds)
                link.client.write(data)
                await link.client.drain()
        finally:
            link.cut()
