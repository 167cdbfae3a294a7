"""One server: started when it is needed, started again when it is gone, asked within its limits."""

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass
from typing import Final

import structlog

from nexus.domain.seam import Effect, Json
from nexus.errors import ServiceMissing, ToolRefused
from nexus.tools.mcp.configuration import ServerSettings
from nexus.tools.mcp.content import answer_of
from nexus.tools.mcp.http import HttpLink
from nexus.tools.mcp.stdio import StdioLink
from nexus.tools.mcp.wire import Answered, Link, LinkLost, Message, greet

MOST_TOOLS: Final = 100
MOST_PAGES: Final = 20
AT_ONCE: Final = 16
STARTS: Final = 5
STARTS_WITHIN_SECONDS: Final = 60.0
PING_SECONDS: Final = 5.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Asked:
    """A call to be made: the tool as its server names it, its arguments, its declared effect."""

    tool: str
    arguments: dict[str, Json]
    effect: Effect


class McpServer:
    """A server of the configuration, and the link to it while there is one."""

    def __init__(self, name: str, settings: ServerSettings) -> None:
        self.name = name
        self.settings = settings
        self._link: Link | None = None
        self._linking = asyncio.Lock()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._starts: deque[float] = deque(maxlen=STARTS)

    async def tools(self) -> list[Message]:
        """List the tools the server offers, as it describes them.

        Raises:
            ServiceMissing: it cannot be started, or does not answer.
        """
        link = await self._linked()
        found: list[Message] = []
        cursor: str | None = None
        try:
            for _ in range(MOST_PAGES):
                asked: Message = {"cursor": cursor} if cursor else {}
                page = await link.request("tools/list", asked, self.settings.start_seconds)
                told = page.get("tools")
                found += [one for one in told if isinstance(one, dict)] if told else []
                cursor = page.get("nextCursor")
                if not cursor or len(found) > MOST_TOOLS:
                    break
        except (LinkLost, Answered, TimeoutError) as wrong:
            await self._drop(link)
            raise self._missing(wrong) from wrong
        return [one for one in found if isinstance(one.get("name"), str)][:MOST_TOOLS]

    async def call(self, asked: Asked) -> Json:
        """Call a tool; a server that ends meanwhile is asked again, unless the call is unsafe.

        Raises:
            ToolRefused: the call went wrong; the words are the model's.
            ServiceMissing: the server cannot be started.
        """
        params: Message = {"name": asked.tool, "arguments": asked.arguments}
        for is_last in (False, True):
            link = await self._linked()
            try:
                async with self._slots:
                    result = await link.request("tools/call", params, self.settings.timeout_seconds)
                return answer_of(self.name, asked.tool, result)
            except Answered as refused:
                raise ToolRefused(f"{self.name}: {refused}") from refused
            except TimeoutError:
                await self._look_after(link)
                raise ToolRefused(
                    f"{self.name}: {asked.tool} did not answer within "
                    f"{self.settings.timeout_seconds:g} seconds{_doubt(asked.effect)}"
                ) from None
            except LinkLost as lost:
                await self._drop(link)
                log.warning("mcp.server_lost", server=self.name, error=str(lost))
                if is_last or asked.effect is Effect.UNSAFE:
                    raise ToolRefused(
                        f"{self.name}: the server ended during the call{_doubt(asked.effect)}"
                    ) from lost
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """End the link."""
        if self._link is not None:
            await self._drop(self._link)

    async def _linked(self) -> Link:
        async with self._linking:
            if self._link is not None and self._link.is_open:
                return self._link
            if self._link is not None:
                await self._drop(self._link)
            now = time.monotonic()
            if len(self._starts) == STARTS and now - self._starts[0] < STARTS_WITHIN_SECONDS:
                raise ServiceMissing(
                    f"the server {self.name} ends again and again",
                    hint="`nexus doctor` says what it answers",
                )
            self._starts.append(now)
            self._link = await self._open()
            return self._link

    async def _open(self) -> Link:
        link: Link | None = None
        try:
            link = (
                await StdioLink.start(self.settings)
                if self.settings.command
                else HttpLink(self.settings)
            )
            await greet(link, self.settings.start_seconds)
        except (LinkLost, Answered, TimeoutError) as wrong:
            if link is not None:
                await link.close()
            raise self._missing(wrong) from wrong
        except asyncio.CancelledError:
            if link is not None:
                await link.close()
            raise
        return link

    async def _look_after(self, link: Link) -> None:
        """Ask a server that was late whether it lives; end it if not."""
        try:
            await link.request("ping", {}, PING_SECONDS)
        except Answered:
            return  # newer revisions have no ping, but who answers lives
        except (LinkLost, TimeoutError):
            await self._drop(link)

    async def _drop(self, link: Link) -> None:
        if self._link is link:
            self._link = None
        with contextlib.suppress(LinkLost, OSError):
            await link.close()

    def _missing(self, wrong: Exception) -> ServiceMissing:
        words = str(wrong) or f"no answer within {self.settings.start_seconds:g} seconds"
        return ServiceMissing(
            f"the server {self.name} of mcp.toml cannot be used: {words}",
            hint="correct mcp.toml, or start the server; `nexus doctor` tries it",
        )


def _doubt(effect: Effect) -> str:
    if effect is Effect.READ:
        return ""
    return "; whether it took effect is not known: find out before you call it again"
