"""Servers that somebody else wrote: one over stdio, one over HTTP, and an agent that uses one."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nexus.domain.seam import Effect
from nexus.tools.mcp.configuration import ServerSettings
from nexus.tools.mcp.servers import McpServers
from nexus.tools.scope import Equipment, ToolScope
from tests.scripted_model import Reply, ScriptedModel, ToolCalls
from tests.support.rig import open_rig, plan, task
from tests.support.waiting import until

TIME = f"""
[servers.time]
command = {json.dumps(sys.executable)}
args = ["-m", "mcp_server_time", "--local-timezone", "UTC"]
agents = ["research"]
"""
ASKED = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
SERVED = """
import sys
from mcp.server.mcpserver import MCPServer
server = MCPServer("numbers")

@server.tool()
def add(a: int, b: int) -> str:
    "Add two numbers."
    return f"the sum is {a + b}"

server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]), json_response=sys.argv[2] == "json")
"""


async def call(servers: McpServers, tool: str, arguments: dict[str, Any]) -> Any:
    nothing: Any = None
    equipment = Equipment(nothing, nothing, nothing, nothing, servers)
    scope = ToolScope("mine", "prj_1", Path("/nowhere"), None, equipment)
    return await (await servers.tools_for("research"))[tool].call(scope, arguments, "key")


async def test_an_agent_uses_a_server_over_stdio(tmp_path: Path, redis_url: str) -> None:
    offered: list[set[str]] = []

    def script(request: dict[str, Any]) -> Reply:
        offered.append({tool["function"]["name"] for tool in request.get("tools", [])})
        last = request["messages"][-1]
        if last["role"] == "tool":
            return f"The server says: {last['content']}"
        is_research = "time__convert_time" in offered[-1]
        return ToolCalls((("time__convert_time", ASKED),)) if is_research else "nothing offered"

    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mcp.toml").write_text(TIME)
    async with (
        ScriptedModel(script) as server,
        open_rig(
            tmp_path, redis_url=redis_url, model="openai:scripted", openai_base_url=server.base_url
        ) as rig,
    ):
        project = await rig.start(plan(task("one", "research"), task("two", "content", "one")))
        async with rig.worker():
            assert await rig.end(project) == "succeeded"
        outputs = await rig.outputs(project)
        called = [one.data for one in await rig.events(project) if one.type == "tool.called"]
    assert "21:00:00+09:00" in (outputs["one"] or "")
    assert outputs["two"] == "nothing offered"
    assert [(one["name"], one["outcome"]) for one in called] == [("time__convert_time", "ok")]


@pytest.fixture(params=["json", "events"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that speaks streamable HTTP, answering in each of its two ways."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVED, str(port), request.param], stderr=subprocess.DEVNULL
    )
    yield f"http://127.0.0.1:{port}/mcp"
    process.kill()
    process.wait(10)


async def test_a_server_over_http_is_used(address: str) -> None:
    settings = ServerSettings(url=address, agents=("research",), headers={"X-Token": "t"})

    async def lent() -> bool:
        servers = McpServers({"numbers": settings})
        found = await servers.tools_for("research")
        await servers.close()
        return bool(found)

    await until(lent, timeout=30)
    servers = McpServers({"numbers": settings})
    assert (await servers.tools_for("research"))["numbers__add"].effect is Effect.UNSAFE
    told = await call(servers, "numbers__add", {"a": 2, "b": 3})
    await servers.close()
    assert told == {"server": "numbers", "text": "the sum is 5"}
