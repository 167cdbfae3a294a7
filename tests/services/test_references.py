"""The list of sources under a deliverable, and the numbers that point to it."""

from nexus.schemas.deliverable import Cited
from nexus.services.references import with_numbers, with_sources

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


def test_marks_become_numbers() -> None:
    text = "a [p0a1b2c3d, w11112222, p0a1b2c3d] b [p99999999; p88888888]"
    assert with_numbers(text, [BRIDGE, PAGE]) == "a [1][2] b [?]"


def test_sources_are_listed_under_a_heading_of_their_own() -> None:
    assert with_sources("# Report\n\na [1][2] [?]\n", [BRIDGE, PAGE], ["p99999999"]) == (
        "# Report\n\na [1][2] [?]\n\n## Sources\n\n"
        "1. Bridges \\*new\\*, page 3\n2. Prices, <https://prices.example/a_b>\n\n"
        "- [?]: [p99999999] points to nothing that an agent of this project was shown.\n"
    )


def test_a_text_that_ends_with_its_sources_gets_no_second_heading() -> None:
    text = "# Report\n\na [1]\n\n## Sources\n\n- `birds.csv`: 10 rows\n"
    assert with_sources(text, [BRIDGE], []) == f"{text}\n1. Bridges \\*new\\*, page 3\n"


def test_without_citations_nothing_is_added() -> None:
    assert with_sources("# Report\n\nNothing.\n", [], []) == "# Report\n\nNothing.\n"
