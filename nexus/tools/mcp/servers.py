"""The servers of one process and the tools they lend: to the agents that mcp.toml names, no others."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

import structlog
from pydantic import BaseModel, ConfigDict

from nexus.domain.seam import Json
from nexus.errors import ServiceMissing
from nexus.tools.mcp.configuration import ServerSettings
from nexus.tools.mcp.content import described, schema_of, tool_name
from nexus.tools.mcp.server import Asked, McpServer
from nexus.tools.mcp.wire import Message
from nexus.tools.scope import ToolScope
from nexus.tools.spec import Caution, ToolSpec

REST_SECONDS: Final = 30.0
EVERYBODY: Final = "*"

log = structlog.get_logger()


class AnyArguments(BaseModel):
    """Arguments that the server itself checks."""

    model_config = ConfigDict(extra="allow")


class McpServers:
    """Servers by name. One that cannot be used lends nothing for a while; work goes on without."""

    def __init__(self, settings: Mapping[str, ServerSettings]) -> None:
        self._servers = {name: McpServer(name, one) for name, one in settings.items()}
        self._known: dict[str, dict[str, ToolSpec]] = {}
        self._resting: dict[str, float] = {}
        self._asking = asyncio.Lock()

    async def tools_for(self, agent: str) -> dict[str, ToolSpec]:
        """Return the tools an agent is granted, by the names models call them."""
        found: dict[str, ToolSpec] = {}
        for name, server in self._servers.items():
            if EVERYBODY in server.settings.agents or agent in server.settings.agents:
                found |= await self._lent(name, server)
        return found

    async def close(self) -> None:
        """End every server."""
        await asyncio.gather(*(server.close() for server in self._servers.values()))

    async def _lent(self, name: str, server: McpServer) -> dict[str, ToolSpec]:
        async with self._asking:
            known = self._known.get(name)
            if known is not None or self._resting.get(name, 0.0) > time.monotonic():
                return known or {}
            try:
                told = await server.tools()
            except ServiceMissing as missing:
                log.warning("mcp.server_missing", server=name, error=missing.message)
                self._resting[name] = time.monotonic() + REST_SECONDS
                return {}
            self._known[name] = specs_of(server, told)
            return self._known[name]


def specs_of(server: McpServer, told: list[Message]) -> dict[str, ToolSpec]:
    """Make tools of what a server describes, as far as the configuration lets it lend them."""
    specs: dict[str, ToolSpec] = {}
    allowed = server.settings.tools
    for one in told:
        tool, name = str(one["name"]), tool_name(server.name, str(one["name"]))
        if name not in specs and (allowed is None or tool in allowed):
            specs[name] = _spec(server, tool, one)
    return specs


def _spec(server: McpServer, tool: str, told: Message) -> ToolSpec:
    hints = told.get("annotations")
    is_read_only = isinstance(hints, dict) and hints.get("readOnlyHint") is True
    effect = server.settings.effect_of(tool, is_read_only=is_read_only)

    async def call(_scope: ToolScope, /, **arguments: Json) -> Json:
        return await server.call(Asked(tool, arguments, effect))

    return ToolSpec(
        name=tool_name(server.name, tool),
        description=described(server.name, told),
        effect=effect,
        schema=schema_of(told),
        arguments=AnyArguments,
        function=call,
        caution=Caution.OUTSIDE,
    )
