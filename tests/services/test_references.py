"""The list of sources under a deliverable, and the numbers that point to it."""

import re

import pytest

from nexus.schemas.deliverable import Cited
from nexus.services.references import with_references

BRIDGE = Cited(
    number=1,
    mark="p0a1b2c3d",
    title="Bridges *new*",
    locator="page 3",
    document_id="doc_1",
    passage_id="psg_0a1b2c3d",
    url=None,
)
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
    text = "# Report\n\na [p0a1b2c3d, w11112222, p0a1b2c3d] b [p99999999; p88888888]\n"
    assert with_references(text, [BRIDGE, PAGE], ["p99999999"]) == (
        "# Report\n\na [1][2] b [?]\n\n## Sources\n\n"
        "1. Bridges \\*new\\*, page 3\n2. Prices, <https://prices.example/a_b>\n\n"
        "- [?]: [p99999999] points to nothing that an agent of this project was shown.\n"
    )


@pytest.mark.parametrize("heading", ["## Sources", "# sources #", "### Sources  "])
def test_a_text_that_ends_with_its_sources_gets_no_second_heading(heading: str) -> None:
    text = f"# Report\n\na [p0a1b2c3d]\n\n{heading}\n\n- `birds.csv`: 10 rows\n"
    told = text.replace("p0a1b2c3d", "1")
    assert with_references(text, [BRIDGE], []) == f"{told}\n1. Bridges \\*new\\*, page 3\n"


def test_without_citations_nothing_is_added() -> None:
    assert with_references("# Report\n\nNothing. \n", [], []) == "# Report\n\nNothing. \n"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://a.example/> <b>", "data:text/html,x"]
)
def test_what_is_no_address_of_the_web_is_no_link(url: str) -> None:
    page = PAGE.model_copy(update={"url": url, "title": "[x](javascript:y)\n# z"})
    listed = with_references("a [w11112222]", [page], []).partition("## Sources\n\n")[2]
    assert listed.startswith("2. \\[x\\](javascript:y) # z, ")
    assert not re.search(r"(?<!\\)<", listed)
