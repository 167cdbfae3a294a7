"""What each kind of agent answers offline, and how the model behaves as a model."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import Agent, ModelRetry, StructuredDict, TextOutput, ToolOutput

from nexus.domain.plan import PlanTask
from nexus.llm.offline import OfflineModel
from nexus.llm.offline.label import LABEL
from tests.offline.line import EXAMPLE, World, run_task


def task(agent: str, instructions: str = "Where do gentoo penguins nest?") -> PlanTask:
    return PlanTask(
        key="t",
        title="Nests",
        agent=agent,
        instructions=instructions,
        acceptance=["It names beaches."],
    )


@pytest.mark.parametrize("agent", ["research", "memory", "content", "geocode"])
async def test_agents_quote_what_the_documents_say(tmp_path: Path, agent: str) -> None:
    world = World.of(tmp_path, [EXAMPLE / "three-species.md"])
    text = await run_task(world, "Nests", task(agent))
    assert "> Gentoo penguins nest on flat beaches and gentle slopes" in text
    assert "[three-species.md, section Three brush-tailed penguins > Gentoo penguin]" in text
    assert text.count(LABEL) == 1


@pytest.mark.parametrize(
    "agent", ["research", "memory", "content", "qa", "data", "code", "geocode"]
)
async def test_nothing_at_hand_is_said_plainly(tmp_path: Path, agent: str) -> None:
    text = await run_task(World(tmp_path), "Nests", task(agent))
    assert text.count(LABEL) == 1
    assert "No" in text


async def test_code_names_what_it_needs(tmp_path: Path) -> None:
    text = await run_task(World(tmp_path), "Sort", task("code", "Write a sorter."))
    assert "rules cannot write programs" in text
    assert "NEXUS_MODEL" in text


async def test_a_declared_agent_puts_inputs_together_and_says_its_limits(tmp_path: Path) -> None:
    text = await run_task(World(tmp_path), "Nests", task("geocode"), {"a": "## One\n\nText."})
    assert "## One" in text
    assert "A language model is needed" in text


async def test_qa_finds_a_quotation_that_is_nowhere(tmp_path: Path) -> None:
    world = World.of(tmp_path, [EXAMPLE / "three-species.md"])
    work = (
        "## Nests\n\n> Stones keep the eggs out of meltwater, and they are worth stealing. [three-species.md, What they share]\n\n"
        "> Gentoos nest in trees."
    )
    text = await run_task(world, "Nests", task("qa", "Judge the work."), {"work": work})
    assert "1 of 2 different quotations were found again" in text
    assert "Not found again: “Gentoos nest in trees.”" in text
    assert "Without a source: “Gentoos nest in trees.”" in text
    assert "It names beaches: not confirmed" in text


async def test_it_runs_under_an_agent_and_costs_nothing() -> None:
    agent = Agent(OfflineModel(), instructions="You are the code agent of Nexus.")

    @agent.tool_plain
    def run_python(code: str) -> str:
        return code

    result = await agent.run("Write a sorter.")
    assert "rules cannot write programs" in result.output
    assert result.usage.input_tokens == result.usage.output_tokens == 0


@pytest.mark.parametrize("as_tool", [True, False])
async def test_a_refused_plan_is_followed_by_the_smallest(as_tool: bool) -> None:
    drafts: list[dict[str, Any]] = []

    def read(text: str) -> dict[str, Any]:
        return check(json.loads(text))

    def check(draft: dict[str, Any]) -> dict[str, Any]:
        drafts.append(draft)
        if len(drafts) == 1:
            raise ModelRetry("the plan cannot run")
        return draft

    schema = StructuredDict({"type": "object", "properties": {"phases": {"type": "array"}}})
    agent: Agent[None, dict[str, Any]] = Agent(
        OfflineModel(),
        instructions="You are the manager agent of Nexus.",
        output_type=[ToolOutput(schema, name="submit_plan")] if as_tool else [TextOutput(read)],
        retries={"output": 2},
    )
    if as_tool:
        agent.output_validator(check)
    goal = "<goal>\nWhere is tea grown? How is it sold?\n</goal>\n<agents>\n- research: r\n- content: c\n</agents>"
    result = await agent.run(goal)
    assert [len(draft["phases"]) for draft in drafts] == [2, 1]
    assert result.output == drafts[1]
