"""Small files that are meant to cost hours or gigabytes: read in seconds, within what they weigh."""

import pytest

from nexus.memory.blocks import Prose
from nexus.memory.chunk import cut

LONG = 200_000


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("# Birds", "Birds"),
        ("  ## Birds and bees ##  ", "Birds and bees"),
        ("# C#", "C#"),
        ("# Birds # and bees", "Birds # and bees"),
        ("# Birds \t###", "Birds"),
        ("# Birds \\", "Birds \\"),
        ("# #", ""),
    ],
)
def test_closing_marks_are_no_part_of_a_heading(line: str, title: str) -> None:
    (excerpt,) = cut([Prose(f"{line}\nThey fly.", is_markdown=True)])
    assert excerpt.heading == title


@pytest.mark.parametrize("between", [" " * LONG, "#" * LONG, " #" * LONG, "\t#\t" * LONG])
def test_a_heading_of_spaces_and_marks_is_read(between: str) -> None:
    """Each would keep a processor busy for hours if the pattern of a heading looked back."""
    excerpts = cut([Prose(f"# a{between}x\nThey fly.", is_markdown=True)])
    assert "They fly." in excerpts[-1].text


def test_only_the_heading_itself_is_left_out_of_its_text() -> None:
    line = "# " + "birds " * 150
    fence = f"\n{line}" * 3
    excerpts = cut([Prose(f"{line}\n```{fence}\n```", is_markdown=True)])
    assert sum(one.text.count(line.strip()) for one in excerpts) == 3
