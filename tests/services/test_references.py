"""The list of sources under a deliverable, and the numbers that point to it."""

import re

import pytest

from nexus.schemas.deliverable import Cited, Part
from nexus.services.deliverable import write_markdown
from nexus.services.references import References

BRIDGE = Cited(
    number=1,
    mark="p0a1b2c3d",
    title="Bridges *new*",
    locator="page 3",
    document_id="doc_1",
    passage_id="psg_0a1b2c3d",
    url=None,
)


def part(title: str, content: str) -> Part:
    return Part(task_id="tsk_1", key="k", title=title, agent="research", content=content)


PAGE = Cited(
    number=2,
    mark="w11112222",
    title="Prices",
    locator="",
    document_id=None,
    passage_id=None,
    url="https://prices.example/a_b",
)


def test_marks_become_numbers_and_sources_are_listed() -> None:
    found = References([BRIDGE, PAGE], ["p99999999"])
    text = "a [p0a1b2c3d, w11112222, p0a1b2c3d] b [p99999999; p88888888]"
    assert found.numbered(text) == "a [1][2] b [?]"
    assert found.listed() == (
        "## Sources cited\n\n"
        "1. Bridges \\*new\\*, page 3\n2. Prices, <https://prices.example/a_b>\n\n"
        "- [?]: [p99999999] points to nothing that an agent of this project was shown.\n"
    )
    assert References().listed() == ""
    assert References().numbered(text) == text


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://a.example/> <b>", "data:text/html,x"]
)
def test_what_is_no_address_of_the_web_is_no_link(url: str) -> None:
    page = PAGE.model_copy(update={"url": url, "title": "# [x](javascript:y)\n~~~"})
    listed = References([page]).listed().partition("cited\n\n")[2]
    assert listed.startswith("2. \\# \\[x\\](javascript:y) ~~~, ")
    assert not re.search(r"(?<!\\)<", listed)


def test_each_part_is_numbered_by_itself_and_headings_are_left_alone() -> None:
    found = References([BRIDGE, PAGE])
    parts = [
        part("A [p0a1b2c3d]", "```\nnever closed [p0a1b2c3d]"),
        part("B", "Costs 5 [w11112222]."),
    ]
    whole = write_markdown("Both", parts, [], found)
    assert whole.startswith(
        "# Both\n\n## A [p0a1b2c3d]\n\n```\nnever closed [1]\n\n## B\n\nCosts 5 [2]."
    )
    assert whole.endswith("\n\n" + found.listed())


def test_json_stays_json() -> None:
    text = '{"price": "1111 [p0a1b2c3d]"}'
    assert write_markdown("J", [part("J", text)], [], References([BRIDGE])) == f"{text}\n"
    listed = write_markdown("J", [part("J", "[p0a1b2c3d]")], [], References([BRIDGE]))
    assert listed.startswith("[1]\n\n## Sources cited\n\n1. ")
