"""How a plan is got out of servers that refuse, weak models and short windows."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from nexus.agents.roster import roster
from nexus.domain.planned import Planned, read_planned
from nexus.errors import PermanentFailure, TransientFailure
from nexus.llm.book import ModelBook
from tests.agents.fakes import PENGUINS, DictSeam, Found, ListMemory, brief, context
from tests.llm.small_window import small
from tests.scripted_model import PLAN, Reply, ScriptedModel, Text, ToolCalls, error

FLAT: Final = {
    "tasks": [
        {"title": "Look", "agent": "Research Agent", "instructions": "Look it up."},
        {"title": "Write", "agent": "content", "instructions": "Write it up."},
    ]
}
AS_TEXT: Final = json.dumps(FLAT)
ESSAY: Final = "Penguins are birds that swim. " * 40
Script = Callable[[dict[str, Any]], Reply]


def mode_of(request: dict[str, Any]) -> str:
    """Name the form in which a request asks."""
    wanted: str = request.get("response_format", {}).get("type", "text")
    return "tool" if "tools" in request else wanted


def modes(server: ScriptedModel) -> list[str]:
    return [mode_of(request) for request in server.requests]


async def plan(book: ModelBook, **given: Any) -> Planned:
    return read_planned(await roster()["manager"].run(brief(), context(book, **given)))


def refusing(*refused: str, status: int) -> Script:
    """Make the script of a server that refuses some forms and answers the others with a plan."""

    def script(request: dict[str, Any]) -> Reply:
        if mode_of(request) in refused:
            return error(status, "unknown field")
        return ToolCalls((("submit_plan", PLAN),)) if "tools" in request else Text(AS_TEXT)

    return script


@pytest.mark.parametrize(
    ("refused", "status", "asked"),
    [
        ((), 400, ["tool"]),
        (("tool",), 400, ["tool", "json_schema"]),
        (("tool",), 500, ["tool", "json_schema"]),
        (("tool", "json_schema"), 422, ["tool", "json_schema", "json_object"]),
        (
            ("tool", "json_schema", "json_object"),
            400,
            ["tool", "json_schema", "json_object", "text"],
        ),
    ],
)
async def test_what_a_server_refuses_is_asked_in_the_next_form_and_remembered(
    refused: tuple[str, ...],
    status: int,
    asked: list[str],
    server: ScriptedModel,
    book: ModelBook,
) -> None:
    server.script = refusing(*refused, status=status)
    planned = await plan(book)
    assert planned.safe is None
    assert modes(server) == asked
    await plan(book)
    assert modes(server) == [*asked, asked[-1]]


async def test_a_small_model_behind_llama_cpp_python(
    server: ScriptedModel, book: ModelBook
) -> None:
    """Calls come as text of no shape, `json_schema` is a 500; under its grammar it plans."""

    def script(request: dict[str, Any]) -> Reply:
        if mode_of(request) == "tool":
            return Text('submit_plan(goal="penguins")')
        if mode_of(request) == "json_schema":
            return error(500, "Input should be 'text' or 'json_object'")
        assert request["response_format"]["schema"]["properties"].keys() == {"tasks"}
        assert request["max_tokens"] <= 1_200
        return Text(AS_TEXT)

    server.script = script
    planned = await plan(book)
    assert modes(server) == ["tool", "json_schema", "json_object"]
    first, last = (task for _, _, task in planned.plan.tasks())
    assert (first.agent, last.agent, last.depends_on) == ("research", "content", [first.key])
    assert first.acceptance
    assert last.acceptance


@pytest.mark.parametrize(
    "written",
    [
        f"<tool_call>\n{json.dumps({'name': 'submit_plan', 'arguments': PLAN})}\n</tool_call>",
        f"submit_plan({json.dumps(PLAN)})",
        f"Thinking… {{not json}}\n{AS_TEXT}",
        json.dumps(FLAT["tasks"]),
        AS_TEXT.replace("Look it up.", "Look\nit up."),
    ],
)
async def test_a_call_that_comes_as_text_is_read(
    written: str, server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: Text(written)
    planned = await plan(book)
    assert (server.calls, planned.safe) == (1, None)
    assert len(list(planned.plan.tasks())) == 2


async def test_a_repair_holds_the_draft_and_its_problems_and_does_not_grow(
    server: ScriptedModel, book: ModelBook
) -> None:
    wrong = json.dumps(FLAT).replace("content", "nobody") + ESSAY

    server.script = lambda request: Text(wrong)
    await plan(book)
    assert server.calls == 3
    assert "unknown agent; known: " in server.prompt()
    assert '{"tasks":[{"title":"Look"' in server.prompt()
    assert "swim" not in server.prompt()
    assert len(server.prompt(1)) == len(server.prompt(2))


async def test_what_is_copied_from_the_example_is_no_plan(
    server: ScriptedModel, book: ModelBook
) -> None:
    """So a real model of 270 million parameters did, under the grammar of its server."""

    def script(request: dict[str, Any]) -> Reply:
        system = request["messages"][0]["content"]
        line = next(line for line in system.splitlines() if line.startswith("{"))
        return Text(line)

    server.script = script
    planned = await plan(book)
    assert server.calls == 3
    assert "copied from the example" in (planned.safe or "")


@pytest.mark.parametrize("room", [5_500, 100])
async def test_a_short_window_gets_a_shorter_prompt(
    room: int, server: ScriptedModel, book: ModelBook
) -> None:
    """The prompt shrinks until it fits; where nothing fits, the safe plan is made."""

    def script(request: dict[str, Any]) -> Reply:
        said = sum(len(message["content"]) for message in request["messages"][1:])
        if said > room:
            return error(400, "This model's maximum context length is 4096 tokens.")
        return ToolCalls((("submit_plan", PLAN),))

    server.script = script
    memory = ListMemory([Found("A penguin is a bird. " * 100)] * 8)
    asked = brief(goal="Compare penguins. " * 500, documents=(PENGUINS,))
    given = context(book, memory=memory)
    planned = read_planned(await roster()["manager"].run(asked, given))
    assert server.calls <= 6
    if room > 1_000:
        assert planned.safe is None
        assert "[cut: the first 2,000 of 9,000 characters]" in server.prompt()
        assert "8 passages more" in server.prompt()
    else:
        assert "more text than it can take" in (planned.safe or "")


@pytest.mark.parametrize(
    ("reply", "kind", "calls"),
    [
        (error(401), PermanentFailure, 1),
        (error(404), PermanentFailure, 1),
        (error(429), TransientFailure, 1),
        (error(500), TransientFailure, 2),
        (error(503), TransientFailure, 1),
        (error(400), PermanentFailure, 4),
    ],
)
async def test_a_model_that_cannot_be_asked_fails_the_planning(
    reply: Reply, kind: type[Exception], calls: int, server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: reply
    with pytest.raises(kind):
        await plan(book)
    assert server.calls == calls


async def test_another_process_replays_in_the_form_that_was_recorded(
    server: ScriptedModel, book: ModelBook
) -> None:
    server.script = refusing("tool", status=400)
    seam = DictSeam()
    made = await plan(book, seam=seam)
    assert await plan(book, seam=seam.replay()) == made
    # What was refused was never recorded; what was answered is not asked again.
    assert modes(server) == ["tool", "json_schema", "tool"]


async def test_a_model_too_slow_to_plan_gets_a_safe_plan(
    server: ScriptedModel, book: ModelBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexus.agents.eliciting.ASKING_SECONDS", 0.2)

    async def hang(request: dict[str, Any]) -> Reply:
        await asyncio.Event().wait()
        return "never"

    server.script = hang
    planned = await plan(book)
    assert planned.safe == "the model gave no plan within 0.2 s"
    assert list(planned.plan.tasks())


async def test_passages_of_a_long_prompt_come_in_excerpts_before_anything_is_shortened(
    server: ScriptedModel, book: ModelBook
) -> None:
    server.script = small(lambda request: ToolCalls((("submit_plan", PLAN),)))
    memory = ListMemory([Found("A penguin is a bird. " * 100)] * 8)
    given = context(book, memory=memory)
    planned = read_planned(await roster()["manager"].run(brief(documents=(PENGUINS,)), given))
    assert planned.safe is None
    assert server.calls == 2
    assert "[excerpts: " in server.prompt()
    assert "window of 4,096 tokens]" in server.prompt()
