"""Cuts a document's blocks into excerpts that fit the embedding model, each with a locator.

Locators are `page 3`, `section Heading > Sub`, `lines 10-24`, `rows 1-20` and `$.birds[3]`;
pure and blocking, so `Memory` calls it in a thread.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, Final, TypeVar

from nexus.memory.blocks import Block, Code, Records, Table, short
from nexus.memory.code import sections_of
from nexus.memory.passages import Excerpt
from nexus.memory.wordpiece import count_tokens

if TYPE_CHECKING:
    from semantic_text_splitter import MarkdownSplitter, TextSplitter

T = TypeVar("T")

# The model reads 256 tokens, two of them its own marks.
MAX_TOKENS: Final = 232
# English takes about 4.5 characters a token; one endless "word" is a single unknown token.
MAX_CHARACTERS: Final = 960
MAX_ROWS: Final = 20
STRETCH: Final = 20_000
STRETCHES_AT_ONCE: Final = 16
SIZED_AT_ONCE: Final = 512

_HEADING: Final = re.compile(r" {0,3}(#{1,6})[ \t]+")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True)
class _Section:
    """A heading with what stands under it: the path of headings, the text, its first line."""

    path: tuple[str, ...]
    text: str
    first_line: int

    @property
    def is_bare(self) -> bool:
        return bool(self.path) and not self.text.strip().partition("\n")[2].strip()


def cut(blocks: Sequence[Block], most: int | None = None) -> list[Excerpt]:
    """Cut blocks into excerpts, in the document's order, and stop after `most` of them.

    None of them is blank.
    """
    return list(islice((excerpt for block in blocks for excerpt in _cut_block(block)), most))


def _cut_block(block: Block) -> Iterator[Excerpt]:
    if isinstance(block, Table):
        yield from _cut_table(block)
    elif isinstance(block, Records):
        yield from _cut_records(block)
    elif isinstance(block, Code):
        yield from _cut_code(block)
    elif block.page is not None:
        for _, text in _pieces(block.text, is_markdown=False):
            yield Excerpt(text, f"page {block.page}")
    elif block.is_markdown:
        for section in _worth_keeping(_sections(block.text)):
            yield from _cut_section(section)
    else:
        yield from _cut_section(_Section((), block.text, 1), is_markdown=False)


def _cut_section(section: _Section, *, is_markdown: bool = True) -> Iterator[Excerpt]:
    pieces = _pieces(section.text, is_markdown=is_markdown)
    if not section.path:
        for first, last, text in _lines_of(section.text, section.first_line, pieces):
            yield Excerpt(text, _span("line", first, last))
        return
    heading = "" if section.is_bare else section.text.partition("\n")[0].strip()
    path = " > ".join(section.path)
    for number, (_, text) in enumerate(pieces):
        if number or text.strip() != heading:
            yield Excerpt(text, f"section {path}", path)


def _lines_of(
    text: str, first_line: int, pieces: Iterable[tuple[int, str]]
) -> Iterator[tuple[int, int, str]]:
    """Tell in which lines, counted from `first_line`, each piece begins and ends."""
    at, line = 0, first_line
    for start, piece in pieces:
        line += text.count("\n", at, start)
        at = start
        yield line, line + piece.count("\n"), piece


def _sections(text: str) -> Iterator[_Section]:
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    first_line, fence = 1, ""
    for number, line in enumerate(text.split("\n"), start=1):
        fence = _fence_after(fence, line)
        heading = None if fence else _HEADING.match(line)
        if heading:
            yield _Section(tuple(title for _, title in path), "\n".join(lines), first_line)
            level = len(heading[1])
            title = short(_title(line[heading.end() :]))
            path = [*(above for above in path if above[0] < level), (level, title)]
            lines, first_line = [], number
        lines.append(line)
    yield _Section(tuple(title for _, title in path), "\n".join(lines), first_line)


def _title(text: str) -> str:
    """Take closing marks off a heading; they stand apart from its words, as in `# Birds #`."""
    text = text.strip(" \t")
    words = text.rstrip("#")
    return words.rstrip(" \t") if not words or words[-1] in " \t" else text


def _fence_after(fence: str, line: str) -> str:
    """Say which code fence is open after a line, "" for none."""
    mark = _FENCE.match(line)
    if not mark:
        return fence
    if not fence:
        return mark[1]
    closes = mark[1].startswith(fence) and not line.strip().strip(fence[0])
    return "" if closes else fence


def _worth_keeping(sections: Iterable[_Section]) -> Iterator[_Section]:
    """Leave out headings with nothing under them but deeper headings, which name them anyway."""
    end = _Section((), "", 0)
    for section, follower in pairwise(chain(sections, (end,))):
        leads = follower is not end and follower.path[: len(section.path)] == section.path
        if not (section.is_bare and leads):
            yield section


def _cut_table(table: Table) -> Iterator[Excerpt]:
    (head_tokens,) = count_tokens([table.header[:MAX_CHARACTERS]])
    budget = max(MAX_TOKENS - head_tokens, MAX_TOKENS // 2)
    first, used = 0, 0
    for number, (_, tokens) in enumerate(_sized((row, row) for row in table.rows)):
        if number > first and (used + tokens > budget or number - first >= MAX_ROWS):
            yield from _rows(table, first, number)
            first, used = number, 0
        used += tokens
    yield from _rows(table, first, len(table.rows))


def _cut_code(code: Code) -> Iterator[Excerpt]:
    for section in sections_of(code.text):
        path = " > ".join(section.path)
        pieces = _pieces(section.text, is_markdown=False)
        for first, last, text in _lines_of(section.text, section.first_line, pieces):
            yield Excerpt(text, _span("line", first, last), path)


def _cut_records(block: Records) -> Iterator[Excerpt]:
    """Keep small neighbours together; what is too large for one passage keeps its place in each."""
    held: list[tuple[str, str]] = []
    used = 0
    for record, size in _sized((record, record[1]) for record in block.records):
        if held and used + size > MAX_TOKENS:
            yield from _record_excerpts(held)
            held, used = [], 0
        held.append(record)
        used += size
    yield from _record_excerpts(held)


def _record_excerpts(held: Sequence[tuple[str, str]]) -> Iterator[Excerpt]:
    if not held:
        return
    first, last = held[0][0], held[-1][0]
    locator = first if first == last else f"{first} to {last}"
    for _, text in _pieces("\n".join(text for _, text in held), is_markdown=False):
        yield Excerpt(text, locator)


def _rows(table: Table, first: int, after: int) -> Iterator[Excerpt]:
    locator = _span("row", first + 1, after)
    body = "\n".join(table.rows[first:after])
    pieces = [text for _, text in _pieces(body, is_markdown=False)]
    for piece in pieces:
        yield Excerpt(f"{table.header[:MAX_CHARACTERS]}\n{piece}".strip(), locator)


def _sized(things: Iterable[tuple[T, str]]) -> Iterator[tuple[T, int]]:
    """Count the tokens of things by their texts; those of a text that is cut anyway, by its start."""
    rest = iter(things)
    while lot := list(islice(rest, SIZED_AT_ONCE)):
        tokens = count_tokens([text[:MAX_CHARACTERS] for _, text in lot])
        for (thing, text), size in zip(lot, tokens, strict=True):
            yield thing, size * max(len(text), MAX_CHARACTERS) // MAX_CHARACTERS


def _pieces(text: str, *, is_markdown: bool) -> Iterator[tuple[int, str]]:
    """Cut text where it reads best; no further than pieces are asked for."""
    stretches = _stretches(text)
    while lot := list(islice(stretches, STRETCHES_AT_ONCE)):
        yield from _fitting(lot, is_markdown=is_markdown)


def _fitting(waiting: list[tuple[int, str]], *, is_markdown: bool) -> list[tuple[int, str]]:
    """Cut by characters; what has too many tokens is cut smaller.

    A splitter that counts tokens itself takes a minute for a megabyte, this one a second.
    """
    capacity = MAX_CHARACTERS
    ready: list[tuple[int, str]] = []
    while waiting:
        splitter = _splitter(capacity, is_markdown)
        pieces = [
            (start + offset, piece)
            for start, whole in waiting
            for offset, piece in splitter.chunk_indices(whole)
        ]
        tokens = count_tokens([piece for _, piece in pieces])
        waiting = []
        for piece, size in zip(pieces, tokens, strict=True):
            (ready if size <= MAX_TOKENS or capacity <= 1 else waiting).append(piece)
        capacity = max(capacity // 2, 1)
    return sorted(ready)


def _stretches(text: str) -> Iterator[tuple[int, str]]:
    """Part long text at line ends or spaces: the splitter is quadratic in text without either."""
    start = 0
    while start < len(text):
        end = start + STRETCH
        if end < len(text):
            half = start + STRETCH // 2
            at = text.rfind("\n", half, end)
            at = text.rfind(" ", half, end) if at < 0 else at
            end = at + 1 if at >= 0 else end
        yield start, text[start:end]
        start = end


@cache
def _splitter(capacity: int, is_markdown: bool) -> "MarkdownSplitter | TextSplitter":
    from semantic_text_splitter import MarkdownSplitter, TextSplitter

    kind = MarkdownSplitter if is_markdown else TextSplitter
    return kind((max(capacity * 3 // 4, 1), capacity))


def _span(noun: str, first: int, last: int) -> str:
    return f"{noun} {first}" if first == last else f"{noun}s {first}-{last}"
