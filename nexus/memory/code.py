"""Source code in sections: functions and classes by the lines that define them.

Pure; made for many languages at once, so it reads lines and indentation, not grammars.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from nexus.memory.blocks import short

LEAST: Final = 400
"""Characters below which neighbours are kept together."""
DEEPEST: Final = 8
"""Indentation in columns of what still begins a section: a method of a class."""

_DEFINITION: Final = re.compile(
    r"(?P<indent>[ \t]*)"
    r"(?:(?:export|default|public|private|protected|internal|static|final|abstract|async|pub(?:\([a-z]+\))?"
    r"|unsafe|override|virtual|inline|open|data|sealed)\s+)*"
    r"(?:def|class|fn|func|fun|function|interface|struct|enum|trait|impl|module|namespace|type|object)\b"
    r"[\s*]+(?:\([^)]*\)\s*)?(?P<name>[A-Za-z_$][\w$]*)"
)


@dataclass(frozen=True, slots=True)
class Section:
    """Lines of code under what defines them; `first_line` counts from 1."""

    path: tuple[str, ...]
    text: str
    first_line: int


def sections_of(code: str) -> list[Section]:
    """Part code at its definitions; small neighbours of the same parent stay together."""
    merged: list[Section] = []
    for section in _sections(code):
        last = merged[-1] if merged else None
        if last and len(last.text) < LEAST and len(section.text) < LEAST:
            path = _common(last.path, section.path)
            merged[-1] = Section(path, f"{last.text}\n{section.text}", last.first_line)
        else:
            merged.append(section)
    return [section for section in merged if section.text.strip()]


def _sections(code: str) -> Iterator[Section]:
    above: list[tuple[int, str]] = []
    lines: list[str] = []
    first_line = 1
    for number, line in enumerate(code.split("\n"), start=1):
        found = _DEFINITION.match(line)
        indent = len(found["indent"].expandtabs(4)) if found else 0
        if found and indent <= DEEPEST:
            yield Section(tuple(name for _, name in above), "\n".join(lines), first_line)
            above = [*(one for one in above if one[0] < indent), (indent, short(found["name"]))]
            lines, first_line = [], number
        lines.append(line)
    yield Section(tuple(name for _, name in above), "\n".join(lines), first_line)


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    same = [left for left, right in zip(one, other, strict=False) if left == right]
    return tuple(same) if one and other else one or other
