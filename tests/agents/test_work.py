"""Work agents over a scripted model."""

from collections.abc import Awaitable, Callable

import pytest

from nexus.agents.roster import roster
from nexus.domain.seam import Call, CallKind, Effect, Json, Recorded
from nexus.errors import Fenced, LimitReached, OutputInvalid, PermanentFailure
from nexus.llm.book import ModelBook
from nexus.tools.scope import ToolScope
from nexus.tools.spec import registered, tool
from tests.agents.fakes import PENGUINS, DictSeam, Found, ListMemory, brief, context
from tests.scripted_model import ScriptedModel, Text, ToolCalls


@pytest.mark.parametrize("name", ["research", "code", "content", "data", "qa", "memory"])
async def test_a_text_answer_takes_one_call(
    name: str, server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: "4 kg [Penguins, p. 3]"
    assert await roster()[name].run(brief(), context(book)) == "4 kg [Penguins, p. 3]"
    assert server.calls == 1
    first, *rest = server.requests[0]["messages"]
    assert first["role"] == "system"
    assert first["content"].startswith(f"You are the {name} agent of Nexus.\n")
    assert [message["role"] for message in rest] == ["user"]


@pytest.mark.parametrize(
    ("name", "is_granted"),
    [("research", True), ("code", True), ("content", True), ("data", True), ("qa", False)],
)
async def test_a_plugins_tool_is_offered_to_agents_that_make_things(
    name: str, is_granted: bool, server: ScriptedModel, book: ModelBook
) -> None:
    async def find_place(scope: ToolScope, name: str) -> str:
        """Find a place."""
        return name

    tool(effect=Effect.READ)(find_place)
    try:
        await roster()[name].run(brief(), context(book))
    finally:
        del registered["find_place"]
    offered = [each["function"]["name"] for each in server.requests[0]["tools"]]
    assert ("find_place" in offered) is is_granted


async def test_a_replayed_run_asks_nobody(server: ScriptedModel, book: ModelBook) -> None:
    seam = DictSeam()
    run = roster()["research"].run
    first = await run(brief(), context(book, seam))
    assert await run(brief(), context(book, seam.replay())) == first
    assert server.calls == 1


async def test_passages_come_before_the_first_call(server: ScriptedModel, book: ModelBook) -> None:
    memory, seam = ListMemory([Found("Adelie: 3.7 kg")]), DictSeam()
    await roster()["research"].run(brief(documents=(PENGUINS,)), context(book, seam, memory=memory))
    assert [call.kind for call in seam.calls] == [CallKind.TOOL, CallKind.MODEL]
    assert seam.calls[0].name == "search_memory"
    assert (
        '<passage title="Penguins" locator="p. 3" document="doc_1" cite="[p0a1b2c3d]">\n'
        "Adelie: 3.7 kg\n</passage>" in server.prompt()
    )


async def test_without_documents_memory_is_not_asked(
    server: ScriptedModel, book: ModelBook
) -> None:
    memory = ListMemory()
    await roster()["research"].run(brief(), context(book, memory=memory))
    assert memory.queries == []


async def test_missing_memory_means_no_passages(server: ScriptedModel, book: ModelBook) -> None:
    memory = ListMemory(missing=True)
    done = await roster()["research"].run(
        brief(documents=(PENGUINS,)), context(book, memory=memory)
    )
    assert done == "ok"
    assert "<passages>" not in server.requests[0]["messages"][1]["content"]


@pytest.mark.parametrize("answer", ["", "  \n "])
async def test_an_empty_answer_is_a_failure(
    answer: str, server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: Text(answer)
    with pytest.raises(OutputInvalid):
        await roster()["content"].run(brief(), context(book))
    assert server.calls == 1


async def test_a_looping_model_is_stopped(server: ScriptedModel, book: ModelBook) -> None:
    server.script = lambda request: ToolCalls((("list_files", {"path": "."}),))
    with pytest.raises((LimitReached, OutputInvalid)):
        await roster()["qa"].run(brief(), context(book))
    assert server.calls <= 50


async def test_an_unusable_model_is_permanent(book: ModelBook) -> None:
    with pytest.raises(PermanentFailure, match="GROQ_API_KEY"):
        await roster()["qa"].run(brief(), context(book, model="groq:llama"))


class ClosedSeam(DictSeam):
    """A seam whose claim is lost."""

    async def call(self, call: Call, effect: Callable[[str], Awaitable[Recorded]]) -> Json:
        raise Fenced("the claim is gone")


async def test_a_lost_claim_ends_the_run_as_it_is(server: ScriptedModel, book: ModelBook) -> None:
    with pytest.raises(Fenced):
        await roster()["qa"].run(brief(), context(book, ClosedSeam()))
    assert server.calls == 0


async def test_a_reply_with_broken_text_goes_on(server: ScriptedModel, book: ModelBook) -> None:
    broken = ToolCalls((("list_files", {"path": "."}),), content="a\ud800b\0c")
    server.script = lambda request: broken if server.calls == 1 else "a\ud800b\0c"
    assert await roster()["code"].run(brief(), context(book)) == "a?bc"
    assert server.requests[1]["messages"][2]["content"] == "a?bc"
