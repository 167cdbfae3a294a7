"""What a tool may touch: the equipment of this installation and one project's folder.

Built by the worker for each claim of a subtask; tools reach nothing else.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nexus.domain.seam import MadeFile
from nexus.tools.fetch.fetcher import Fetcher
from nexus.tools.sandbox.contract import Sandbox
from nexus.tools.searcher import Searcher

if TYPE_CHECKING:
    from nexus.memory.store import Memory
    from nexus.tools.guard import Guard
    from nexus.tools.mcp.servers import McpServers
    from nexus.tools.spec import ToolSpec


@dataclass(frozen=True, slots=True)
class Equipment:
    """The parts tools work with, shared by all projects."""

    memory: "Memory"
    sandbox: Sandbox
    fetcher: Fetcher
    searcher: Searcher
    servers: "McpServers | None" = None

    async def close(self) -> None:
        """Close the connections of what holds any; memory belongs to whoever made it."""
        await self.fetcher.close()
        if self.servers is not None:
            await self.servers.close()

    async def lent_to(self, agent: str) -> "dict[str, ToolSpec]":
        """Return the tools that servers of mcp.toml lend an agent."""
        return {} if self.servers is None else await self.servers.tools_for(agent)


@dataclass(frozen=True, slots=True)
class ToolScope:
    """Where a tool call happens. `document_ids`: what searches are limited to, None for all.

    Tools add the files they write to `made`, which is of one call. `agent` is who calls.
    `guard` says which calls a person has to allow; without one all may be made.
    """

    workspace: str
    project_id: str
    folder: Path
    document_ids: tuple[str, ...] | None
    equipment: Equipment
    made: list[MadeFile] = field(default_factory=list)
    agent: str = ""
    guard: "Guard | None" = None
