"""What an agent asks for when it delegates: read, filled up, or refused with the place."""

from typing import Any

import pytest

from nexus.domain.delegation import Part, check_parts
from nexus.errors import InvalidInput


def test_what_is_left_out_is_filled_up() -> None:
    asked: list[str | dict[str, object]] = [
        "Look there.",
        {"instructions": "Or here.", "agent": "data", "title": "here"},
    ]
    assert check_parts(asked, "research") == (
        Part("research", "Look there.", "Part 1"),
        Part("data", "Or here.", "here"),
    )
    nothing: dict[str, object] = {"instructions": "x", "agent": None, "title": None}
    assert check_parts([nothing], "own") == (Part("own", "x", "Part 1"),)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ([], "at least one part"),
        ("Look there.", "at least one part"),
        (["x"] * 51, "at most 50 parts"),
        ([{}], "parts[0].instructions: has to be a text of 1 to 20,000"),
        (["fine", " \n"], "parts[1].instructions"),
        (["x" * 20_001], "parts[0].instructions"),
        ([{"instructions": "x", "agent": ""}], "parts[0].agent"),
        ([{"instructions": "x", "title": "t" * 201}], "parts[0].title"),
        ([{"instructions": "x", "model": "gpt"}], "parts[0].model: there is no such field"),
        ([7], "parts[0]: is neither a text nor a mapping"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(asked: Any, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_parts(asked, "own")
    assert reason in refused.value.message
