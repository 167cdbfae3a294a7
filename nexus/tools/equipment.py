"""Builds the equipment tools work with from the settings; called once a process."""

from typing import TYPE_CHECKING

from nexus.settings import Settings
from nexus.tools.fetch.fetcher import Fetcher
from nexus.tools.mcp.configuration import FILE, read_servers
from nexus.tools.sandbox.choosing import choose_sandbox
from nexus.tools.scope import Equipment
from nexus.tools.searcher import Searcher

if TYPE_CHECKING:
    from nexus.memory.store import Memory
    from nexus.tools.mcp.servers import McpServers


async def build_equipment(settings: Settings, memory: "Memory") -> Equipment:
    """Return the equipment; the sandbox is chosen by a real trial run.

    Raises:
        Misconfigured: the sandbox that NEXUS_SANDBOX names does not work here, or mcp.toml
            says something impossible.
    """
    return Equipment(
        memory=memory,
        sandbox=await choose_sandbox(settings.sandbox),
        fetcher=Fetcher(),
        searcher=Searcher(
            settings.tavily_api_key, settings.brave_api_key, searxng_url=settings.searxng_url
        ),
        servers=_servers(settings),
    )


def _servers(settings: Settings) -> "McpServers | None":
    """Read mcp.toml; the client is loaded only where there is one."""
    if not (settings.data / FILE).exists():
        return None
    from nexus.tools.mcp.servers import McpServers

    return McpServers(read_servers(settings.data))
