"""Upstream outputs as sections of a report: titles, bodies, quotations, gaps; headings made unique.

Reads any Markdown, whether a rule, a model or a plugin wrote it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from nexus.domain.citing import with_citations
from nexus.llm.offline.label import unlabelled

HEADING: Final = re.compile(r"(#{1,6})[ \t]+(?=\S)")
FENCE: Final = re.compile(r"^\s*(```|~~~)")
SOURCE: Final = re.compile(r"\[([^\[\]]+)\](?!\()\s*$")
QUOTATION: Final = re.compile(r"(?:^>.*(?:\n|\Z))+", re.MULTILINE)
GAPS: Final = "not found"
KEY_FIGURES: Final = "key figures"


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the report: `body` has headings of level 3 and deeper only."""

    title: str
    body: str
    gaps: tuple[str, ...] = ()
    key_figures: tuple[str, ...] = ()

    @property
    def quotations(self) -> list[tuple[str, str]]:
        """List (text, source) of the block quotes; the source is empty where none is given."""
        return quotations(self.body)


def read_section(key: str, output: str) -> Section:
    """Make a section of an output: its first heading is the title, else the task's key is."""
    lines = unlabelled(output).strip().splitlines()
    title = ""
    if lines and (heading := _heading(lines[0])):
        title = heading[1]
        lines = lines[1:]
    blocks = _blocks(lines)
    gaps = tuple(item for name, part in blocks if name.casefold() == GAPS for item in _items(part))
    figures = tuple(
        item for name, part in blocks if name.casefold() == KEY_FIGURES for item in _items(part)
    )
    kept = [line for name, part in blocks if name.casefold() != GAPS for line in part]
    return Section(title or _named(key), _deepened(kept), gaps, figures)


def without_repeats(sections: Sequence[Section]) -> list[Section]:
    """Leave out a quotation that an earlier section has, unless a section would lose all of its."""
    seen: set[str] = set()
    kept = []
    for section in sections:
        blocks = QUOTATION.findall(section.body)
        fresh = [block for block in blocks if block.strip() not in seen]
        body = section.body
        if fresh:
            for block in set(blocks) - set(fresh):
                body = body.replace(block, "", 1)
        seen.update(block.strip() for block in blocks)
        kept.append(replace(section, body=re.sub(r"\n{3,}", "\n\n", body).strip()))
    return kept


def quotations(text: str) -> list[tuple[str, str]]:
    """List the block quotes of a Markdown text as (words, source)."""
    found = []
    for block in QUOTATION.findall(text):
        unquoted = re.sub(r"(?m)^>[ ]?", "", block)
        words = " ".join(with_citations(unquoted, lambda _: "").split())
        source = SOURCE.search(words)
        found.append((SOURCE.sub("", words).strip(), source.group(1) if source else ""))
    return [pair for pair in found if pair[0]]


@dataclass(slots=True)
class Headings:
    """Hands out heading texts, each once in a report."""

    taken: set[str] = field(default_factory=set)

    def take(self, wish: str, owner: str = "") -> str:
        """Return the wish, or the wish told apart by its owner's name or by a number."""
        title, number = wish, 2
        if title.casefold() in self.taken and owner:
            title = f"{wish}: {owner}"
        while title.casefold() in self.taken:
            title, number = f"{wish} ({number})", number + 1
        self.taken.add(title.casefold())
        return title

    def in_body(self, section: Section) -> str:
        """Make the headings inside a section unique too."""
        lines = []
        for line, fenced in _fenced(section.body.splitlines()):
            heading = None if fenced else _heading(line)
            lines.append(
                f"{'#' * heading[0]} {self.take(heading[1], section.title)}" if heading else line
            )
        return "\n".join(lines)


def _heading(line: str) -> tuple[int, str] | None:
    """Return a heading's level and text; None: the line is none."""
    match = HEADING.match(line)
    if match is None:
        return None
    text = line[match.end() :]
    return len(match[1]), text.rstrip(" \t#") or text[0]


def _fenced(lines: list[str]) -> list[tuple[str, bool]]:
    """Pair each line with whether it stands inside a code block."""
    inside = False
    found = []
    for line in lines:
        edge = FENCE.match(line) is not None
        found.append((line, inside or edge))
        inside = inside != edge
    return found


def _blocks(lines: list[str]) -> list[tuple[str, list[str]]]:
    """Part lines at their headings: (heading text, lines with the heading's own)."""
    blocks: list[tuple[str, list[str]]] = [("", [])]
    for line, fenced in _fenced(lines):
        heading = None if fenced else _heading(line)
        if heading:
            blocks.append((heading[1], []))
        blocks[-1][1].append(line)
    return blocks


def _items(lines: list[str]) -> list[str]:
    return [line[2:].strip() for line in lines if line.startswith("- ")]


def _deepened(lines: list[str]) -> str:
    """Shift headings so that the highest is of level 3, and close an open code block."""
    fenced = _fenced(lines)
    levels = [found[0] for line, code in fenced if not code and (found := _heading(line))]
    shift = max(0, 3 - min(levels, default=3))
    text = [
        f"{'#' * min(6, found[0] + shift)} {found[1]}"
        if not code and (found := _heading(line))
        else line
        for line, code in fenced
    ]
    if sum(FENCE.match(line) is not None for line in lines) % 2:
        text.append("```")
    return "\n".join(text).strip()


def _named(key: str) -> str:
    """Make a title of a task's key."""
    words = re.sub(r"[_.-]+", " ", key).strip()
    return words[:1].upper() + words[1:] or "Result"
