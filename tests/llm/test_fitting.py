"""Requests longer than a model's window: excerpts instead of failure, and said so."""

import json
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    UserPromptPart,
)
from pydantic_ai.usage import UsageLimits

from nexus.agents.prompt import review_prompt, work_prompt
from nexus.domain.work import TaskBrief
from nexus.errors import PermanentFailure
from nexus.llm.book import ModelBook
from nexus.llm.journalled import JournalledModel
from tests.agents.fakes import DictSeam, brief, settings
from tests.llm.asking import ask
from tests.llm.small_window import small, tokens
from tests.scripted_model import Reply, ScriptedModel, ToolCalls, error

FACT = "The Adelie colony at Signy counted 4711 breeding pairs in the austral summer."
FILLER = "Weather at the station was mild and the supply ship came on time again. "
CJK = "考察站的天气温和，补给船按时到达，队员们继续进行日常观测工作。"
CJK_FACT = "西格尼岛的阿德利企鹅繁殖对数为四千七百一十一对。"
TASK = TaskBrief("count", "Breeding pairs", "research")
ASKED = "How many breeding pairs of Adelie penguins were counted in the colony at Signy?"


def prompt_with(output: str, asked: str = ASKED, **fields: Any) -> str:
    given = brief(task=TASK, instructions=asked, inputs={"survey": output}, **fields)
    return work_prompt(given, [])


def buried(fact: str, filler: str, length: int) -> str:
    """Bury a fact in the middle of a text."""
    half = filler * (length // 2 // len(filler))
    return f"Survey report.\n{half}{fact} {half}"


async def test_a_long_output_comes_in_excerpts_with_the_fact_and_the_mark(
    server: ScriptedModel, book: ModelBook
) -> None:
    server.script = small(lambda request: "4711")
    seam = DictSeam()
    assert await ask(book, prompt_with(buried(FACT, FILLER, 200_000)), seam) == "4711"
    assert server.calls == 2  # refused once, then fitted inside the same call
    sent = server.prompt()
    assert FACT in sent
    assert ASKED in sent
    assert "Survey report." in sent
    assert "passages, those nearest to the task; the rest was left out to fit the model's" in sent
    assert "window of 4,096 tokens]" in sent
    assert 2_000 < tokens(server.requests[-1]) <= 4_096
    [made] = seam.made
    assert '"of": "input survey"' in json.dumps(made.fitted)
    assert '"window_tokens": 4096' in json.dumps(made.fitted)
    # The next one is not refused first, and a replay asks nothing.
    await ask(book, prompt_with(buried(FACT, FILLER, 150_000)))
    assert server.calls == 3
    again = DictSeam(records=seam.records)
    assert await ask(book, prompt_with(buried(FACT, FILLER, 200_000)), again) == "4711"
    assert (server.calls, again.made) == (3, [])


async def test_scripts_with_many_tokens_a_letter_fit_too(
    server: ScriptedModel, book: ModelBook
) -> None:
    server.script = small(lambda request: "4711")
    asked = "西格尼岛阿德利企鹅的繁殖对数是多少?"
    await ask(book, prompt_with(buried(CJK_FACT, CJK, 200_000), asked))
    assert server.calls == 2
    assert CJK_FACT in server.prompt()
    assert "passages, those nearest to the task" in server.prompt()


@pytest.mark.parametrize(
    "refusal",
    [
        lambda asked, window: error(
            400,
            f"This model's maximum context length is {window} tokens. However, you requested "
            f"{asked + 500} tokens ({asked} in the messages, 500 in the completion).",
        ),
        lambda asked, window: error(
            500, f"Requested tokens ({asked}) exceed context window of {window}"
        ),
        lambda asked, window: error(400, f"prompt is too long: {asked} tokens > {window} maximum"),
        lambda asked, window: error(
            400, f"request ({asked} tokens) exceeds the available context size ({window} tokens)"
        ),
        lambda asked, window: error(
            413,
            f"Request too large for model `m` on tokens per minute (TPM): Limit {window}, "
            f"Requested {asked}, please reduce your message size and try again.",
        ),
        lambda asked, window: error(400, "Please reduce the length of the messages."),
    ],
)
async def test_every_server_says_it_in_its_own_words(
    refusal: Any, server: ScriptedModel, book: ModelBook
) -> None:
    server.script = small(lambda request: "fine", 8_000, refusal)
    await ask(book, prompt_with(buried(FACT, FILLER, 200_000)))
    assert FACT in server.prompt()
    assert server.calls <= 4


async def test_a_window_that_is_known_is_never_exceeded(server: ScriptedModel) -> None:
    book = ModelBook(
        settings(
            model="openai:scripted",
            openai_base_url=server.base_url,
            context_tokens={"openai": 2_048},
        )
    )
    server.script = small(lambda request: "fine", 2_048)
    await ask(book, prompt_with(buried(FACT, FILLER, 200_000)))
    assert server.calls == 1
    assert FACT in server.prompt()
    await book.close()


async def test_what_a_reviewer_judges_is_excerpted_by_its_criteria(
    server: ScriptedModel, book: ModelBook
) -> None:
    server.script = small(lambda request: "fine")
    given = brief(task=TASK, submission=buried(FACT, FILLER, 200_000))
    await ask(book, review_prompt(given, ["states the breeding pairs of Adelie at Signy"], []))
    assert FACT in server.prompt()
    assert "states the breeding pairs" in server.prompt()


async def test_a_task_that_is_too_long_itself_is_said_to_be(
    server: ScriptedModel, book: ModelBook
) -> None:
    server.script = small(lambda request: "fine")
    with pytest.raises(PermanentFailure, match="the task with its criteria alone has") as found:
        await ask(book, prompt_with("short", FILLER * 1_000))
    assert found.value.reason == "model_context_exceeded"
    assert "shorten the task" in (found.value.hint or "")
    assert server.calls == 1


async def converse(book: ModelBook, server: ScriptedModel, size: int, rounds: int) -> str:
    """Have a model call a tool so many times; return what is said last."""

    def script(request: dict[str, Any]) -> Reply:
        if server.calls <= rounds + 1:
            return ToolCalls((("read_page", {"number": len(request["messages"])}),))
        return "done"

    server.script = small(script)
    name = book.default_name
    agent = Agent(output_type=str)

    @agent.tool_plain
    def read_page(number: int) -> str:
        return f"Page {number}. " + buried(FACT, FILLER, size)

    model = JournalledModel(book.resolve(name), DictSeam(), name=name)
    limits = UsageLimits(request_limit=200)
    return (await agent.run(prompt_with("short"), model=model, usage_limits=limits)).output


async def test_a_large_result_of_a_tool_is_excerpted(
    server: ScriptedModel, book: ModelBook
) -> None:
    assert await converse(book, server, 1_000_000, 1) == "done"
    assert FACT in server.prompt()
    assert server.requests[-1]["messages"][-1]["content"].startswith("[excerpts: ")


async def test_a_long_chain_of_tool_rounds_goes_on(server: ScriptedModel, book: ModelBook) -> None:
    assert await converse(book, server, 2_000, 60) == "done"
    assert (
        "first rounds of tool calls, with their results, to fit the model's window"
        in server.prompt()
    )
    last = server.requests[-1]["messages"]
    asked = [call["id"] for one in last for call in one.get("tool_calls") or ()]
    assert asked == [one["tool_call_id"] for one in last if one["role"] == "tool"]


async def test_a_long_conversation_loses_its_oldest_messages(
    server: ScriptedModel, book: ModelBook
) -> None:
    server.script = small(lambda request: "fine")
    name = book.default_name
    model = JournalledModel(book.resolve(name), DictSeam(), name=name)
    history: list[ModelMessage] = []
    for at in range(30):
        history.append(ModelRequest(parts=[UserPromptPart(f"Question {at}. {FILLER * 6}")]))
        history.append(ModelResponse(parts=[TextPart(f"Answer {at}. {FILLER * 6}")]))
    asked = f"<message>\n{ASKED}\n</message>"
    agent = Agent(output_type=str)
    assert (await agent.run(asked, model=model, message_history=history)).output == "fine"
    sent = server.prompt()
    assert "Question 0." not in sent
    assert "Answer 29." in sent
    assert "first messages of this conversation, with their answers, to fit" in sent
    assert [one["role"] for one in server.requests[-1]["messages"]][-3:] == [
        "user",
        "assistant",
        "user",
    ]


async def test_what_fits_is_sent_as_it_is(server: ScriptedModel, book: ModelBook) -> None:
    seam = DictSeam()
    text = buried(FACT, FILLER, 20_000).strip()
    await ask(book, prompt_with(text), seam)
    assert text in server.prompt()
    assert seam.made[0].fitted is None


async def test_every_model_of_a_chain_gets_what_fits_it(server: ScriptedModel) -> None:
    book = ModelBook(
        settings(
            openai_base_url=server.base_url,
            ollama_base_url=server.base_url,
            context_tokens={"openai": 100_000, "ollama": 2_048},
        )
    )
    server.script = lambda request: error(503) if request["model"] == "first" else "fine"
    text = buried(FACT, FILLER, 100_000).strip()
    seam = DictSeam()
    await ask(book, prompt_with(text), seam, model="openai:first,ollama:second")
    assert text in server.prompt(0)
    assert FACT in server.prompt(1)
    assert tokens(server.requests[1]) <= 2_048
    assert '"model": "ollama:second"' in json.dumps(seam.made[0].fitted)
    await book.close()
