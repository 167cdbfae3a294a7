"""What each format keeps of its structure: headings, tables, places."""

import json
from typing import Any

import pytest

from nexus.memory.chunk import MAX_TOKENS, cut
from nexus.memory.extract import extract
from nexus.memory.media import CODE, DOCX, HTML, JSON, JSON_LINES, TSV
from nexus.memory.passages import Excerpt, SourceDocument
from nexus.memory.wordpiece import count_tokens
from tests.memory.word import paragraph, table, word

PAGE = """<html><head><title>Birds</title><style>p {}</style></head><body>
<nav><a href="/">Home</a></nav>
<h1>Birds</h1><p>Birds have <b>feathers</b>.</p>
<h2>Penguins</h2><script>steal()</script>
<ul><li>Adelie</li><li>Gentoo</li></ul>
<table><tr><th>Name</th><th>kg</th></tr><tr><td>Gentoo</td><td>5.5</td></tr></table>
<pre>swim()
  dive()</pre></body></html>"""

SOURCE = '''"""Docs."""

import os


class Bird:
    """A bird."""

    def fly(self, far):
        return far * 2  # {filler}


def swim():
    return 1  # {filler}
'''.replace("{filler}", "a long way " * 40)


async def read(content: str | bytes, media_type: str) -> list[Excerpt]:
    data = content.encode() if isinstance(content, str) else content
    return cut(await extract(SourceDocument("doc_1", "the file", media_type, data)))


async def test_a_page_keeps_headings_lists_tables_and_code() -> None:
    first, second = await read(PAGE, HTML)
    assert (first.locator, first.heading) == ("section Birds", "Birds")
    assert first.text == "# Birds\n\nBirds have feathers."
    assert second.locator == "section Birds > Penguins"
    assert "- Adelie\n- Gentoo" in second.text
    assert "Name | kg\nGentoo | 5.5" in second.text
    assert "```\nswim()\n  dive()\n```" in second.text
    assert "steal" not in second.text


@pytest.mark.parametrize(
    "content",
    [
        "<p>caf\xe9".encode("cp1252"),
        "<p>caf\xe9".encode(),
        '<meta charset="iso-8859-2"><p>caf\xe9'.encode("iso-8859-2"),
        "<p>caf\xe9".encode("utf-16"),
    ],
)
async def test_a_page_is_read_in_its_own_encoding(content: bytes) -> None:
    assert [one.text for one in await read(content, HTML)] == ["caf\xe9"]


async def test_a_word_document_keeps_headings_lists_and_tables() -> None:
    body = (
        paragraph("Birds", "berschrift1")
        + paragraph("Birds have feathers.")
        + paragraph("Penguins", "berschrift2")
        + paragraph("Adelie", more="<w:numPr/>")
        + table(("Name", "kg"), ("Gentoo", "5.5"))
        + "<w:p><w:del><w:r><w:t>gone</w:t></w:r></w:del><w:r><w:t>kept</w:t></w:r></w:p>"
    )
    first, second = await read(word(body), DOCX)
    assert (first.heading, first.text) == ("Birds", "# Birds\n\nBirds have feathers.")
    assert second.locator == "section Birds > Penguins"
    assert second.text == "## Penguins\n\n- Adelie\n\nName | kg\nGentoo | 5.5\n\nkept"


async def test_json_is_found_by_its_places() -> None:
    birds: list[dict[str, Any]] = [
        {"name": f"bird {n}", "habits": ["swims", {"food": "krill " * 20}]} for n in range(12)
    ]
    excerpts = await read(json.dumps({"title": "Birds", "birds": birds}), JSON)
    assert excerpts[0].locator.startswith("$.title to $.birds[")
    assert excerpts[0].text.startswith("title: Birds\nbirds[0].name: bird 0\n")
    assert excerpts[-1].locator.endswith("$.birds[11]")
    assert "birds[11].habits[1].food: krill" in excerpts[-1].text
    assert max(count_tokens([one.text for one in excerpts])) <= MAX_TOKENS


async def test_lines_of_json_are_records() -> None:
    (excerpt,) = await read('{"a": 1}\n\n{"b": {"c": null, "d": true}}\n', JSON_LINES)
    assert (excerpt.locator, excerpt.text) == ("line 1 to line 3", "a: 1\nb.d: true")


async def test_tabs_part_columns() -> None:
    (excerpt,) = await read("name\tkg\nGentoo\t5.5\n", TSV)
    assert (excerpt.locator, excerpt.text) == ("row 1", "name | kg\nGentoo | 5.5")


async def test_code_is_found_by_its_definitions() -> None:
    excerpts = await read(SOURCE, CODE)
    assert {one.heading for one in excerpts} == {"Bird", "Bird > fly", "swim"}
    assert excerpts[0].locator == "lines 1-7"
    assert next(one for one in excerpts if one.heading == "swim").text.startswith("def swim():")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("export async function load(a) {", "load"),
        ("func (s *Server) Serve() error {", "Serve"),
        ("pub(crate) fn walk<T>() {", "walk"),
        ("    public static class Inner {", "Inner"),
    ],
)
async def test_definitions_of_many_languages_are_known(line: str, name: str) -> None:
    filler = "x = 1;\n" * 80
    excerpts = await read(f"{filler}{line}\n{filler}", CODE)
    assert excerpts[-1].heading == name
