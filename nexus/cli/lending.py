"""The part of `nexus doctor` about servers of mcp.toml: each is started and asked for its tools."""

import asyncio
from typing import TYPE_CHECKING

from nexus.cli.examination import Finding
from nexus.errors import NexusError
from nexus.settings import Settings

if TYPE_CHECKING:
    from nexus.tools.mcp.configuration import ServerSettings


def examine_servers(settings: Settings) -> list[Finding]:
    """Ask every server what it offers; nothing where there is no mcp.toml."""
    from nexus.tools.mcp.configuration import FILE, read_servers

    try:
        servers = read_servers(settings.data)
    except NexusError as wrong:
        return [Finding(FILE, "broken", wrong.message, wrong.hint or "")]
    return asyncio.run(_ask_all(servers))


async def _ask_all(servers: "dict[str, ServerSettings]") -> list[Finding]:
    return await asyncio.gather(*(_ask(name, one) for name, one in servers.items()))


async def _ask(name: str, settings: "ServerSettings") -> Finding:
    from nexus.tools.mcp.server import McpServer
    from nexus.tools.mcp.servers import specs_of

    server = McpServer(name, settings)
    try:
        lent = specs_of(server, await server.tools())
    except NexusError as missing:
        return Finding(f"mcp {name}", "missing", missing.message, missing.hint or "")
    finally:
        await server.close()
    whom = ", ".join(settings.agents) or "nobody"
    return Finding(f"mcp {name}", "ok", f"{len(lent)} tools over {settings.how}, lent to {whom}")
