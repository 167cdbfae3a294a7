"""JSON as records: each element of a list, each key of an object, as lines of path and value.

Pure and blocking. Nothing here calls itself, so nesting costs no stack.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from nexus.memory.blocks import Records

MOST_DEPTH: Final = 500
LONGEST_PATH: Final = 200


def read_json(text: str) -> Records:
    """Return the records of a JSON document.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    return Records(tuple(_records(json.loads(text))))


def read_json_lines(text: str) -> Records:
    """Return a record for each line; raises as `read_json`, the message naming the line."""
    records: list[tuple[str, str]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                value = json.loads(line)
            except ValueError as wrong:
                raise ValueError(f"line {number:,}: {wrong}") from wrong
            records.append((f"line {number}", "\n".join(_leaves("", value))))
    return Records(tuple(record for record in records if record[1]))


def _records(root: Any) -> Iterator[tuple[str, str]]:
    """Part a document at its first lists: an element of one is what people look for."""
    waiting: list[tuple[str, Any, int]] = [("$", root, 0)]
    while waiting:
        place, value, depth = waiting.pop()
        children = _children(place, value)
        if children and depth < 2:
            waiting += [(path, child, depth + 1) for path, child in reversed(children)]
            continue
        text = "\n".join(_leaves(_name(place), value))
        if text:
            yield place, text


def _leaves(name: str, root: Any) -> Iterator[str]:
    """Write every value under its path, one a line."""
    waiting: list[tuple[str, Any, int]] = [(name, root, 0)]
    while waiting:
        path, value, depth = waiting.pop()
        if depth > MOST_DEPTH:
            raise RecursionError
        children = _children(path, value)
        waiting += [(one, child, depth + 1) for one, child in reversed(children)]
        if not children and value not in (None, "", [], {}):
            told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"{path.lstrip('.')[-LONGEST_PATH:]}: {told}" if path else told


def _children(path: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(f"{path}.{key}", child) for key, child in value.items()]
    if isinstance(value, list):
        return [(f"{path}[{at}]", child) for at, child in enumerate(value)]
    return []


def _name(place: str) -> str:
    """The last part of a place, which its lines begin with."""
    last = place.rpartition(".")[2]
    return "" if last.startswith("$") else last
