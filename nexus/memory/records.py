"""JSON as records: each element of a list, each key of an object, as lines of path and value.

Pure and blocking. Nothing here calls itself, so nesting costs no stack; records are made one by
one as they are asked for, so that no more of their paths is in memory than is being read.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from nexus.memory.blocks import Records, short

MOST_DEPTH: Final = 500
PARTED: Final = 2
"""Levels below the root at which a document is parted into records."""
LONGEST_PATH: Final = 200
LONGEST_TEXT: Final = 20_000
"""Characters after which a record goes on in another one of the same place."""

_WRITE: Final = json.JSONEncoder(ensure_ascii=False).encode
_Children = Iterator[tuple[str, Any]]


def read_json(text: str) -> Records:
    """Return the records of a JSON document.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    root = json.loads(text)
    _check_depth(root)
    return Records(_Document(root))


def read_json_lines(text: str) -> Records:
    """Return a record for each line; raises as `read_json`, the message naming the line."""
    values: list[tuple[int, Any]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                value = json.loads(line)
            except ValueError as wrong:
                raise ValueError(f"line {number:,}: {wrong}") from wrong
            _check_depth(value)
            values.append((number, value))
    return Records(_Lines(values))


@dataclass(frozen=True, slots=True)
class _Document:
    """Parted at its first lists: an element of one is what people look for."""

    root: Any

    def __iter__(self) -> Iterator[tuple[str, str]]:
        waiting: list[tuple[str, _Children]] = [("", iter((("$", self.root),)))]
        while waiting:
            above, children = waiting[-1]
            found = next(children, None)
            if found is None:
                waiting.pop()
                continue
            place, value = f"{above}{found[0]}", found[1]
            if value and isinstance(value, dict | list) and len(waiting) <= PARTED:
                waiting.append((place, _children(value)))
                continue
            for text in _texts(_leaves(_name(place), value)):
                yield place, text


@dataclass(frozen=True, slots=True)
class _Lines:
    """Values of JSON Lines, each with the number of its line."""

    values: list[tuple[int, Any]]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for number, value in self.values:
            for text in _texts(_leaves("", value)):
                yield f"line {number}", text


def _check_depth(root: Any) -> None:
    waiting = [iter((root,))]
    while waiting:
        for value in waiting[-1]:
            if isinstance(value, dict | list):
                waiting.append(iter(value.values() if isinstance(value, dict) else value))
                break
        else:
            waiting.pop()
        if len(waiting) > MOST_DEPTH:
            raise RecursionError


def _leaves(name: str, root: Any) -> Iterator[str]:
    """Write every value under its path, one a line; of a long path its end."""
    waiting: list[tuple[str, _Children]] = [(name, iter((("", root),)))]
    while waiting:
        above, children = waiting[-1]
        found = next(children, None)
        if found is None:
            waiting.pop()
            continue
        path, value = _end(f"{above}{found[0]}"), found[1]
        if isinstance(value, dict | list):
            waiting.append((path, _children(value)))
        elif value not in (None, ""):
            told = value if isinstance(value, str) else _WRITE(value)
            yield f"{path.lstrip('.')}: {told}" if path else told


def _children(value: dict[str, Any] | list[Any]) -> _Children:
    """Go through what is in a value, each with its part of the path."""
    if isinstance(value, dict):
        return ((f".{short(key)}", child) for key, child in value.items())
    return ((f"[{at}]", child) for at, child in enumerate(value))


def _end(path: str) -> str:
    return path if len(path) <= LONGEST_PATH else f"…{path[1 - LONGEST_PATH :]}"


def _texts(lines: Iterable[str]) -> Iterator[str]:
    """Join lines into texts of a bounded length, however many there are."""
    held: list[str] = []
    length = 0
    for line in lines:
        if held and length + len(line) > LONGEST_TEXT:
            yield "\n".join(held)
            held, length = [], 0
        held.append(line)
        length += len(line) + 1
    if held:
        yield "\n".join(held)


def _name(place: str) -> str:
    """The last part of a place, which its lines begin with."""
    last = place.rpartition(".")[2]
    return "" if last.startswith("$") else last
