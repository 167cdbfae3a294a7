"""Marks: made, found, replaced and written out; and what is no mark."""

import pytest

from nexus.domain.citing import (
    MOST_MARKS,
    Source,
    cite,
    mark_of_page,
    mark_of_passage,
    marks_in,
    named,
    with_citations,
)
from nexus.domain.verdict import Finding, Verdict, with_lost_citations

BRIDGE = Source("p0a1b2c3d", "Bridges [2]", "page 3", "doc_1", "psg_0a1b2c3d4e5f")
PAGE = Source("w11112222", "Prices", url="https://prices.example/")
SOURCES = {one.mark: one for one in (BRIDGE, PAGE)}


def test_a_mark_is_made_of_what_it_names() -> None:
    assert mark_of_passage("psg_0a1b2c3d4e5f") == "p0a1b2c3d"
    assert mark_of_page("https://a.example/") == mark_of_page("https://a.example/")
    assert mark_of_page("https://a.example/") != mark_of_page("https://a.example/b")
    for mark in (mark_of_passage("psg_0a1b2c3d4e5f"), mark_of_page("https://a.example/\ud800")):
        assert marks_in(cite(mark)) == [mark]


@pytest.mark.parametrize(
    "text",
    [
        "It costs 5 [p0a1b2c3d].",
        "It costs 5 [p0a1b2c3d][p0a1b2c3d].",
        "It costs 5 [Bridges, page 3, p0a1b2c3d].",
        "It costs 5 【p0a1b2c3d】.",
        "| 5 | [p0a1b2c3d] |",
        "```markdown\nIt costs 5 [p0a1b2c3d].\n```",
        "It costs 5 [p0a1b2c3d](https://a.example).",
    ],
)
def test_marks_are_found_however_they_are_written(text: str) -> None:
    assert marks_in(text) == ["p0a1b2c3d"]
    assert "p0a1b2c3d" not in with_citations(text, lambda marks: f"[{len(marks)}]")


@pytest.mark.parametrize(
    "text",
    [
        "p0a1b2c3d",  # no brackets
        "[p0a1b2c3]",  # seven digits
        "[p0a1b2c3d4]",
        "[xp0a1b2c3d]",
        "[P0A1B2C3D]",
        "[p0a1b2c3g]",
        '{"rows": ["p0a1b2c3d"]}',  # a string of somebody's data
        "[p0a1\nb2c3d]",
    ],
)
def test_what_is_no_citation_stays_as_it_is(text: str) -> None:
    assert marks_in(text) == []
    assert with_citations(text, lambda _: "!") == text


def test_marks_are_listed_once_in_the_order_they_are_met() -> None:
    assert marks_in("a [w11112222; p0a1b2c3d]", "b [p0a1b2c3d] [p99999999]") == [
        "w11112222",
        "p0a1b2c3d",
        "p99999999",
    ]


def test_a_model_that_loops_is_looked_up_so_far() -> None:
    text = "".join(f"[p{number:08x}]" for number in range(2 * MOST_MARKS))
    assert len(marks_in(text)) == len(marks_in(text, text)) == MOST_MARKS


def test_large_outputs_are_read_in_no_time() -> None:
    """Linear: each of these would take hours otherwise."""
    for text in ("[" * 2_000_000, "[p0a1b2c3d" * 200_000, "# " + " " * 2_000_000, "[x " * 500_000):
        assert marks_in(text) == []
        assert with_citations(text, lambda _: "!") == text


def test_named_sources_take_the_place_of_marks() -> None:
    text = "It costs 5 [p0a1b2c3d]. It rose [w11112222, p0a1b2c3d]. It fell [p99999999]."
    assert named(text, SOURCES) == (
        "It costs 5 [Bridges (2), page 3]. It rose [Prices, https://prices.example/; "
        "Bridges (2), page 3]. It fell."
    )


def test_a_lost_citation_rejects_what_a_model_accepts() -> None:
    finding = Finding(criterion="It is short.", met=True, evidence="two lines")
    accepted = Verdict(accepted=True, findings=(finding,))
    assert with_lost_citations(accepted, {"p0a1b2c3d": "Bridges, page 3"}) is accepted
    rejected = with_lost_citations(accepted, {"p0a1b2c3d": "Bridges", "p99999999": ""})
    assert not rejected.accepted
    (unmet,) = rejected.unmet
    assert "[p99999999]" in unmet.evidence
    assert "[p0a1b2c3d]" not in unmet.evidence
    assert unmet.fix
    many = with_lost_citations(accepted, {f"p{number:08x}": "" for number in range(12)})
    assert "and 2 more" in many.unmet[0].evidence
