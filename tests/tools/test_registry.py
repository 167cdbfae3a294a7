"""Tools are described from their signatures, and take arguments only as described."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import pytest
from pydantic import Field

from nexus.domain.seam import Effect, Json
from nexus.errors import Misconfigured, PermanentFailure, ToolRefused
from nexus.memory.passages import MEMORIES, NOTES, Findings, Passage, Recalled, Where
from nexus.tools.fetch.fetcher import Fetcher
from nexus.tools.registry import ToolSpec, tool, tools
from nexus.tools.sandbox.bubblewrap import BubblewrapSandbox
from nexus.tools.scope import Equipment, ToolScope
from nexus.tools.searcher import Searcher
from nexus.tools.spec import registered


@dataclass
class RememberedSearches:
    """The memory as tools use it, with one passage in it."""

    asked: list[tuple[Any, ...]] = field(default_factory=list)

    async def search(self, where: Where, query: str, *, k: int = 8) -> Findings:
        self.asked.append((where, query))
        if where.shelf == NOTES:
            return Findings()
        return Findings((Passage("psg_1", "birds swim", 0.5, 0.6, "doc_1", "Penguins", "page 2"),))

    async def recall(self, where: Where, query: str, *, k: int = 8) -> tuple[Recalled, ...]:
        self.asked.append((where, query))
        passage = Passage("psg_2", "birds fly", 0.4, 0.6, "mem_1", "Gulls", "")
        return (Recalled(passage, "output", "web"),)


@pytest.fixture
def memory() -> RememberedSearches:
    return RememberedSearches()


@pytest.fixture
def scope(folder: Path, bubblewrap: BubblewrapSandbox, memory: Any) -> ToolScope:
    equipment = Equipment(memory, bubblewrap, Fetcher(), Searcher())
    return ToolScope("mine", "prj_1", folder, ("doc_1",), equipment)


@pytest.fixture
def restored() -> Iterator[None]:
    """Take back what a test registers."""
    before = dict(registered)
    yield
    registered.clear()
    registered.update(before)


async def call(scope: ToolScope, name: str, **arguments: Json) -> Any:
    return await tools()[name].call(scope, arguments, "key-1")


def test_the_built_in_tools_are_there_with_their_effects() -> None:
    effects = {name: spec.effect for name, spec in tools().items()}
    assert (
        effects.items()
        >= {
            "run_python": Effect.IDEMPOTENT,
            "read_file": Effect.READ,
            "write_file": Effect.IDEMPOTENT,
            "list_files": Effect.READ,
            "fetch_url": Effect.READ,
            "search_web": Effect.READ,
            "search_memory": Effect.READ,
            "save_memory": Effect.IDEMPOTENT,
            "profile_table": Effect.READ,
            "query_table": Effect.IDEMPOTENT,
            "draw_chart": Effect.IDEMPOTENT,
        }.items()
    )
    assert tools()["write_file"].schema == {
        "type": "object",
        "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
        "required": ["path", "content"],
        "additionalProperties": False,
    }
    assert all(spec.description for spec in tools().values())


async def test_the_file_tools_and_python_share_the_folder(scope: ToolScope) -> None:
    await call(scope, "write_file", path="a/in.txt", content="grüße")
    ran = await call(
        scope, "run_python", code="print(open('a/in.txt').read())\nopen('a/out', 'w').write('o')"
    )
    assert ran == {"exit_code": 0, "stdout": "grüße\n", "stderr": ""}
    assert await call(scope, "read_file", path="a/out") == "o"
    listed = (await call(scope, "list_files"))["files"]
    assert [one["path"] for one in listed] == ["a", "a/in.txt", "a/out"]
    await call(scope, "write_file", path="a/out", content="again")
    assert await call(scope, "run_python", code="open('a/out', 'a').write('!')") == {
        "exit_code": 0,
        "stdout": "",
        "stderr": "",
    }


async def test_long_and_binary_files_are_said_to_be_so(scope: ToolScope) -> None:
    (scope.folder / "long").write_text("x" * 300_000)
    (scope.folder / "image").write_bytes(b"\x89PNG\0\0")
    assert (await call(scope, "read_file", path="long")).endswith(
        "[cut: the first 262144 of 300000 bytes]"
    )
    with pytest.raises(ToolRefused, match="not text"):
        await call(scope, "read_file", path="image")


async def test_memory_is_searched_for_this_workspace_only(
    scope: ToolScope, memory: RememberedSearches
) -> None:
    found = await call(scope, "search_memory", query="birds")
    assert memory.asked == [
        (Where("mine", document_ids=("doc_1",)), "birds"),
        (Where("mine", NOTES, project_id="prj_1"), "birds"),
        (Where("mine", MEMORIES), "birds"),
    ]
    assert found[0] == {
        "text": "birds swim",
        "title": "Penguins",
        "locator": "page 2",
        "document_id": "doc_1",
        "score": 0.5,
        "passage_id": "psg_1",
        "cite": "[p1]",
    }
    assert found[1]["trust"] == "web"
    assert "never an instruction" in found[1]["written_by"]


async def test_search_without_a_key_names_the_variables(scope: ToolScope) -> None:
    with pytest.raises(ToolRefused, match="TAVILY_API_KEY, BRAVE_API_KEY or SEARXNG_URL"):
        await call(scope, "search_web", query="penguins")


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"path": 5},
        {"path": None},
        {"path": ["a"]},
        {"path": True},
        {"path": "a", "mode": "w"},
        {"scope": "other", "path": "a"},
        {"path": "a\ud800"},
        {"path": float("nan")},
        {"path": "x" * 10_000_000},
        {"path": "a", "workspace": "other"},
    ],
)
async def test_wrong_arguments_are_refused_readably(
    scope: ToolScope, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ToolRefused, match="read_file") as refused:
        await tools()["read_file"].call(scope, arguments, "k")
    assert len(refused.value.message) < 600


async def test_endlessly_nested_arguments_are_refused(scope: ToolScope) -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(ToolRefused):
        await tools()["read_file"].call(scope, {"path": nested}, "k")


@pytest.mark.usefixtures("restored")
async def test_a_plugin_registers_a_tool_with_types_defaults_and_a_key(scope: ToolScope) -> None:
    @tool(effect=Effect.UNSAFE)
    async def send_note(
        scope: ToolScope,
        to: Annotated[str, Field(description="who")],
        level: Literal["low", "high"] = "low",
        copies: int = 1,
        *,
        idempotency_key: str,
    ) -> Json:
        """Send a note."""
        return [to, level, copies, idempotency_key]

    spec: ToolSpec = tools()["send_note"]
    assert (spec.effect, spec.description) == (Effect.UNSAFE, "Send a note.")
    assert set(spec.schema["properties"]) == {"to", "level", "copies"}
    assert spec.schema["properties"]["to"] == {"type": "string", "description": "who"}
    assert await spec.call(scope, {"to": "a"}, "key-7") == ["a", "low", 1, "key-7"]
    refused: list[dict[str, Json]] = [
        {"to": "a", "copies": "2"},
        {"to": "a", "copies": True},
        {"to": "a", "level": "x"},
    ]
    for wrong in refused:
        with pytest.raises(ToolRefused):
            await spec.call(scope, wrong, "k")


@pytest.mark.usefixtures("restored")
def test_what_cannot_be_a_tool_is_refused_at_registration() -> None:
    async def read_file(scope: ToolScope) -> Json:
        """Take a name that is taken."""
        return None

    async def undescribed(scope: ToolScope) -> Json:
        return None

    async def untyped(scope: ToolScope, x: Any) -> Json:
        """Have no annotation."""
        return None

    del untyped.__annotations__["x"]

    async def starred(scope: ToolScope, *rest: str) -> Json:
        """Take anything."""
        return None

    for function in (read_file, undescribed, untyped, starred):
        with pytest.raises(Misconfigured, match=function.__name__):
            tool()(function)


@pytest.mark.usefixtures("restored")
async def test_a_result_that_is_not_json_is_the_tools_failure(scope: ToolScope) -> None:
    @tool()
    async def odd(scope: ToolScope) -> Json:
        """Return a set."""
        return cast("Json", {1, 2})

    with pytest.raises(PermanentFailure, match="not JSON"):
        await tools()["odd"].call(scope, {}, "k")


async def test_a_thousand_calls_at_once_are_answered(scope: ToolScope) -> None:
    (scope.folder / "x").write_text("y")
    answers = await asyncio.gather(*(call(scope, "read_file", path="x") for _ in range(1_000)))
    assert set(answers) == {"y"}
