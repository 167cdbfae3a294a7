"""Calls that small models write down: made when a reply is nothing else, left alone otherwise."""

import json

import pytest
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from nexus.agents.roster import roster
from nexus.llm.book import ModelBook
from nexus.llm.spoken_calls import heard
from tests.agents.fakes import DictSeam, brief, context
from tests.scripted_model import ScriptedModel

OFFERED = ModelRequestParameters(function_tools=[ToolDefinition(name="read_file")])
CALL = {"name": "read_file", "arguments": {"path": "a.txt"}}
TEXT = json.dumps(CALL)


@pytest.mark.parametrize(
    "written",
    [
        TEXT,
        f"\n {TEXT} \n",
        f"```json\n{TEXT}\n```",
        f"<tool_call>\n{TEXT}\n</tool_call>",
        f"<tool_call>{TEXT}",
        json.dumps({"type": "function", "function": CALL}),
        json.dumps({"name": "read_file", "parameters": {"path": "a.txt"}}),
    ],
)
def test_a_written_call_is_made(written: str) -> None:
    (part,) = heard(ModelResponse([TextPart(written)]), OFFERED).parts
    assert isinstance(part, ToolCallPart)
    assert (part.tool_name, part.args) == ("read_file", {"path": "a.txt"})


def test_a_call_of_what_nobody_offered_is_a_call() -> None:
    (part,) = heard(
        ModelResponse([TextPart(TEXT.replace("read_file", "write_file"))]), OFFERED
    ).parts
    assert isinstance(part, ToolCallPart)
    assert (part.tool_name, part.args) == ("write_file", {"path": "a.txt"})


def test_several_calls_are_made() -> None:
    twice = f"<tool_call>{TEXT}</tool_call>\n<tool_call>{TEXT}</tool_call>"
    assert len(heard(ModelResponse([TextPart(twice)]), OFFERED).parts) == 2


@pytest.mark.parametrize(
    "written",
    [
        f"I would call {TEXT}",
        f"{TEXT}\nThat reads the file.",
        f"```json\n{TEXT}\n```\nThis is how it is done.",
        json.dumps({**CALL, "name": "write_file", "age": 3}),
        json.dumps({**CALL, "name": "Ada Lovelace"}),
        '{"name": "read_file"}',
        '["read_file"]',
        "{not json",
        "[" * 5_000,
        "",
    ],
)
def test_what_is_not_a_call_alone_stays_text(written: str) -> None:
    response = ModelResponse([TextPart(written)])
    assert heard(response, OFFERED) is response


def test_a_text_is_a_text_where_no_tool_was_offered() -> None:
    response = ModelResponse([TextPart(TEXT)])
    assert heard(response, ModelRequestParameters()) is response


async def test_an_agent_gets_the_result_of_a_call_that_came_as_text(
    server: ScriptedModel, book: ModelBook
) -> None:
    written = json.dumps({"name": "list_files", "arguments": {"path": "../.."}})
    server.script = lambda request: written if server.calls == 1 else "Done."
    seam = DictSeam()
    assert await roster()["content"].run(brief(), context(book, seam)) == "Done."
    assert server.calls == 2
    assert server.requests[1]["messages"][-1]["role"] == "tool"
