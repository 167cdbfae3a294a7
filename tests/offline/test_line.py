"""The whole line: a goal and documents in, a report out that a stranger can read."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.llm.offline.label import LABEL
from nexus.llm.offline.prompt import Prompt
from nexus.llm.offline.sections import quotations
from nexus.llm.offline.writing import assemble
from tests.offline.line import EXAMPLE, World, run_line

DOCUMENTS = ("penguins.csv", "palmer-archipelago.md", "three-species.md", "measuring-penguins.md")


def headings(report: str) -> list[str]:
    return [line for line in report.splitlines() if re.match(r"#{1,6} ", line)]


@pytest.mark.parametrize(
    "tools", [("search_memory", "read_file", "run_python"), ("read_file", "run_python")]
)
async def test_the_example_becomes_a_report(tmp_path: Path, tools: tuple[str, ...]) -> None:
    goal = (EXAMPLE / "goal.txt").read_text("utf-8")
    world = World.of(tmp_path, [EXAMPLE / name for name in DOCUMENTS], tools=tools)
    plan, outputs = await run_line(goal, world)
    report = outputs["report"]
    titles = headings(report)
    assert titles[0] == "# The three penguin species of the Palmer Archipelago"
    assert len(titles) == len(set(titles))
    assert {"## Summary", "## What is missing", "## Sources"} <= set(titles)
    assert all(output.count(LABEL) == 1 for output in outputs.values())
    keys = [task.key for _, _, task in plan.tasks() if "-" in task.key]
    assert not [key for key in keys if key in report]
    assert not re.search(r"</?(?:goal|task|input|passage|documents)\b", report)
    assert "Gentoo (5,076 g, n = 123)" in report


async def test_every_quotation_is_word_for_word(tmp_path: Path) -> None:
    world = World.of(tmp_path, [EXAMPLE / name for name in DOCUMENTS])
    _, outputs = await run_line((EXAMPLE / "goal.txt").read_text("utf-8"), world)
    texts = {
        n: " ".join((EXAMPLE / n).read_text("utf-8").split())
        for n in DOCUMENTS
        if n.endswith(".md")
    }
    quoted = quotations(outputs["report"])
    assert len(quoted) >= 10
    for words, source in quoted:
        assert words in texts[source.partition(",")[0]]
    assert re.search(r"(\d+) of \1 different quotations", outputs["check"])


async def test_without_any_material_the_report_says_what_is_missing(tmp_path: Path) -> None:
    _, outputs = await run_line(
        "Write a report on glaciers. How fast do they melt?", World(tmp_path)
    )
    assert "No documents were at hand" in outputs["report"]
    assert outputs["report"].startswith("# Glaciers\n")
    assert outputs["report"].count(LABEL) == 1


async def test_documents_that_do_not_answer_are_told(tmp_path: Path) -> None:
    world = World.of(tmp_path, [EXAMPLE / "three-species.md"])
    _, outputs = await run_line("Explain quantum chromodynamics.", world)
    assert "Nothing in the documents at hand answers this" in outputs["report"]


async def test_the_same_input_gives_the_same_output(tmp_path: Path) -> None:
    world = World.of(tmp_path, [EXAMPLE / name for name in DOCUMENTS])
    goal = (EXAMPLE / "goal.txt").read_text("utf-8")
    assert await run_line(goal, world) == await run_line(goal, world)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.text("abc-", min_size=1, max_size=5), st.text(max_size=300)), max_size=6)
)
def test_any_inputs_make_one_well_formed_report(inputs: list[tuple[str, str]]) -> None:
    report = assemble(Prompt("content", "Write a report on tea.", inputs=tuple(inputs)))
    assert report.count(LABEL) == 1
    assert report.startswith("# Tea\n")


def test_headings_are_shifted_and_told_apart_and_code_is_left_alone() -> None:
    one = "# Prices\n\nText.\n\n# Detail\n\n```\n# a comment\n```"
    report = assemble(Prompt("content", "Tea", inputs=(("a", one), ("b", one))))
    titles = headings(report)
    assert "## Prices" in titles
    assert "## Prices (2)" in titles
    assert "### Detail" in titles
    assert report.count("\n# a comment\n") == 2
