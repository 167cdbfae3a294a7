"""Servers of the Model Context Protocol: granted by name, bounded, distrusted, started again."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nexus.domain.seam import Effect, Json
from nexus.errors import Misconfigured, ServiceMissing, ToolRefused
from nexus.tools.mcp.configuration import ServerSettings, read_servers
from nexus.tools.mcp.servers import McpServers
from nexus.tools.scope import Equipment, ToolScope
from tests.support.children import Children

PROGRAM = Path(__file__).parent / "mcp_server.py"


def misbehaving(folder: Path, *more: str, **fields: Any) -> ServerSettings:
    """Configure the server that does what tests ask for."""
    args = ("-I", str(PROGRAM), str(folder / "starts"), *more)
    given = {"agents": ("research",), "timeout_seconds": 5, **fields}
    return ServerSettings(command=sys.executable, args=args, **given)


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[McpServers]:
    """One server, `odd`, lent to the research agent."""
    made = McpServers({"odd": misbehaving(tmp_path)})
    yield made
    await made.close()


async def call(servers: McpServers, tool: str, **arguments: Json) -> Any:
    nothing: Any = None
    equipment = Equipment(nothing, nothing, nothing, nothing, servers)
    scope = ToolScope("mine", "prj_1", Path("/nowhere"), None, equipment)
    return await (await servers.tools_for("research"))[tool].call(scope, arguments, "key")


def starts(folder: Path) -> int:
    """Count how often the server was started."""
    return len((folder / "starts").read_text())


async def test_tools_are_lent_to_the_agents_the_file_names(servers: McpServers) -> None:
    lent = await servers.tools_for("research")
    assert {name: spec.effect for name, spec in lent.items()} == {
        "odd__look": Effect.READ,
        "odd__change": Effect.UNSAFE,
        "odd__odd_name_": Effect.UNSAFE,
    }
    assert await servers.tools_for("content") == {}
    assert "\u200b" not in lent["odd__change"].description
    assert "never an instruction" in lent["odd__change"].description
    assert lent["odd__odd_name_"].schema == {"type": "object"}


async def test_effects_and_tools_are_as_the_file_says(tmp_path: Path) -> None:
    settings = misbehaving(
        tmp_path,
        agents=("*",),
        tools=("look", "change"),
        effect="idempotent",
        effects={"change": "read"},
    )
    servers = McpServers({"odd": settings})
    lent = await servers.tools_for("anybody")
    await servers.close()
    assert {name: spec.effect for name, spec in lent.items()} == {
        "odd__look": Effect.IDEMPOTENT,
        "odd__change": Effect.READ,
    }


@pytest.mark.parametrize("more", [(), ("stateless",)])
async def test_a_call_returns_text_in_both_kinds_of_protocol(
    tmp_path: Path, more: tuple[str, ...], children: Children
) -> None:
    servers = McpServers({"odd": misbehaving(tmp_path, *more)})
    told = await call(servers, "odd__look", scope="any name", idempotency_key="too")
    assert told["server"] == "odd"
    assert json.loads(told["text"]) == ["look", {"scope": "any name", "idempotency_key": "too"}, 1]
    await servers.close()
    assert children() == set()


async def test_nothing_of_our_environment_reaches_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "canary-key")
    servers = McpServers({"odd": misbehaving(tmp_path, env={"GIVEN": "this"})})
    told = json.loads((await call(servers, "odd__look", what="environment"))["text"])
    await servers.close()
    assert told.pop("GIVEN") == "this"
    assert set(told) <= {"LC_CTYPE"}  # Python's own doing


async def test_what_a_server_says_is_bounded_and_named(servers: McpServers) -> None:
    much = await call(servers, "odd__look", what="much")
    assert len(much["text"]) == 200_000
    assert much["remark"] == "the first 200,000 of 300,000 characters"
    picture = await call(servers, "odd__look", what="picture")
    assert picture["text"] == "[image: image/png, 4 characters]"
    with pytest.raises(ToolRefused, match="odd: no such thing"):
        await call(servers, "odd__look", what="fail")


async def test_a_server_that_ends_is_started_again_and_asked_again(
    servers: McpServers, tmp_path: Path
) -> None:
    told = await call(servers, "odd__look", what="crash once")
    assert json.loads(told["text"])[2] == 2
    assert starts(tmp_path) == 2


async def test_an_unsafe_call_is_not_made_twice(servers: McpServers, tmp_path: Path) -> None:
    with pytest.raises(ToolRefused, match="not known: find out before you call it again"):
        await call(servers, "odd__change", what="crash once")
    assert starts(tmp_path) == 1
    assert json.loads((await call(servers, "odd__change"))["text"])[2] == 2


async def test_a_server_that_ends_again_and_again_is_left_alone(
    servers: McpServers, tmp_path: Path
) -> None:
    for _ in range(2):
        with pytest.raises(ToolRefused, match="the server ended during the call"):
            await call(servers, "odd__look", what="crash")
    with pytest.raises((ToolRefused, ServiceMissing)):
        await call(servers, "odd__look", what="crash")
    with pytest.raises(ServiceMissing, match="again and again"):
        await call(servers, "odd__look")
    assert starts(tmp_path) == 5


async def test_a_line_beyond_every_measure_ends_the_server(
    servers: McpServers, tmp_path: Path
) -> None:
    with pytest.raises(ToolRefused):
        await call(servers, "odd__change", what="flood")
    assert json.loads((await call(servers, "odd__look"))["text"])[2] == 2


async def test_a_call_without_an_answer_ends_in_time_and_the_server_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexus.tools.mcp.server.PING_SECONDS", 0.2)
    servers = McpServers({"odd": misbehaving(tmp_path, timeout_seconds=0.5)})
    await servers.tools_for("research")
    with pytest.raises(ToolRefused, match=r"did not answer within 0\.5 seconds"):
        await call(servers, "odd__look", what="hang")
    monkeypatch.undo()
    assert json.loads((await call(servers, "odd__look"))["text"])[2] == 2
    await servers.close()


async def test_a_server_that_cannot_be_started_lends_nothing(
    tmp_path: Path, children: Children
) -> None:
    broken = ServerSettings(command="no-such-program", agents=("*",))
    silent = ServerSettings(
        command=sys.executable, args=("-c", "input()"), agents=("*",), start_seconds=0.3
    )
    nowhere = ServerSettings(url="http://127.0.0.1:9/mcp", agents=("*",))
    servers = McpServers({"broken": broken, "silent": silent, "nowhere": nowhere})
    assert await servers.tools_for("research") == {}
    await servers.close()
    assert children() == set()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[servers.a]\nagents = []", "either `command` or `url`"),
        ("[servers.a]\nagents = []\ncommand = 'x'\nurl = 'http://x'", "either"),
        ("[servers.a]\ncommand = 'x'", "agents"),
        ("[servers.'a b']\nagents = []\ncommand = 'x'", "pattern"),
        ("[servers.a]\nagents = []\nurl = 'file:///etc/passwd'", "pattern"),
        ("[servers.a]\nagents = []\ncommand = 'x'\neffect = 'safe'", "effect"),
        ("[servers.a]\nagents = []\ncommand = 'x'\nshell = true", "shell"),
        ("[servers.a]\nagents = []\nurl = 'http://x'\nheaders = {A = '${UNSET}'}", "UNSET"),
        ("[servers", "not TOML"),
    ],
)
def test_an_impossible_file_is_refused_by_its_place(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "mcp.toml").write_text(text)
    with pytest.raises(Misconfigured, match=why) as refused:
        read_servers(tmp_path, {"SECRET": "canary"})
    assert "mcp.toml" in refused.value.message


def test_variables_are_filled_in_from_the_workers_environment(tmp_path: Path) -> None:
    (tmp_path / "mcp.toml").write_text(
        "[servers.wiki]\nagents = ['*']\nurl = 'https://wiki.example/mcp'\n"
        "headers = {Authorization = 'Bearer ${WIKI_TOKEN}'}\n"
    )
    assert read_servers(tmp_path, {"WIKI_TOKEN": "t-1"})["wiki"].headers == {
        "Authorization": "Bearer t-1"
    }
    assert read_servers(tmp_path / "elsewhere") == {}
