"""Small files that are meant to cost hours or gigabytes: read in seconds, within what they weigh."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from nexus.memory.blocks import Prose
from nexus.memory.chunk import cut
from nexus.memory.extract import extract
from nexus.memory.media import CODE, CSV, JSON, JSON_LINES, MARKDOWN
from nexus.memory.passages import SourceDocument

LONG = 200_000
MOST_BYTES = 160_000_000
"""What reading and cutting a megabyte may take; the program itself takes a third of it."""
MOST_PLACE = 1_500
READ = """
import asyncio, json, resource, sys
from nexus.memory.chunk import cut
from nexus.memory.extract import extract
from nexus.memory.passages import SourceDocument
def peak():
    # Not ru_maxrss: a child begins with that of its parent.
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
resource.setrlimit(resource.RLIMIT_AS, (6 * 10**9, 6 * 10**9))
document = SourceDocument("doc_1", "the file", sys.argv[1], sys.stdin.buffer.read())
found = cut(asyncio.run(extract(document)), 2_001)
print(json.dumps({
    "count": len(found),
    "longest": max(max(len(one.locator), len(one.heading), len(one.text)) for one in found),
    "bytes": peak(),
}))
"""


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


def nested(levels: int, key: str, inside: str) -> str:
    return f'{{"{key}":' * levels + inside + "}" * levels


ONES = f"[{'1,' * 250_000}1]"
BOMBS: dict[str, tuple[str, Callable[[], str]]] = {
    "a key above all": (JSON, lambda: json.dumps({"k" * 100_000: [1] * 10_000})),
    "a short key above all": (JSON, lambda: f'{{"{"k" * 190}": {ONES}}}'),
    "keys upon keys": (JSON, lambda: nested(450, "k" * 190, ONES)),
    "deep below two": (JSON, lambda: nested(3, "k" * 190, ONES)),
    "a line of numbers": (JSON_LINES, lambda: f'{{"{"k" * 190}": {ONES}}}'),
    "a heading above all": (MARKDOWN, lambda: f"# {'a' * 400_000}\n" + "A day at sea. " * 40_000),
    "a function above all": (CODE, lambda: f"def {'a' * 400_000}():\n" + "    x = 1\n" * 40_000),
    "a row of cells": (CSV, lambda: "a,b\n" + "1," * 500_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_memory_grows_with_the_file_and_no_faster(name: str) -> None:
    media_type, make = BOMBS[name]
    done = subprocess.run(
        [sys.executable, "-c", READ, media_type],
        input=make().encode(),
        capture_output=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["longest"] <= MOST_PLACE
    assert found["bytes"] <= MOST_BYTES, f"{found['bytes']:,} bytes for {found['count']} passages"


def test_cutting_stops_where_it_is_told_to() -> None:
    block = Prose("A day at sea with nothing to report. " * 5_000)
    assert len(cut([block], 7)) == 7
    assert len(cut([block])) > 100


async def test_a_long_record_keeps_its_place_in_every_passage() -> None:
    (block,) = await extract(
        SourceDocument("doc_1", "f", JSON, json.dumps({"a": [[1] * 9_000]}).encode())
    )
    excerpts = cut([block])
    assert {one.locator for one in excerpts} == {"$.a[0]"}
    assert excerpts[-1].text.endswith("a[0][8999]: 1")
