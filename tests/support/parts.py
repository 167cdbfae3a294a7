"""What the rows of delegated parts must say: none is doubled, none is lost, nobody waits in vain.

Part of `history.py`. Every function yields a sentence for each thing that is wrong.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nexus.domain.states import SUBTASK_TERMINAL

Row = Mapping[str, Any]


def waiting_for_parts(subtasks: Sequence[Row], parts: Sequence[Row]) -> set[str]:
    """Name the subtasks one of whose parts is not over."""
    over = {one["id"] for one in subtasks if one["status"] in SUBTASK_TERMINAL}
    return {one["parent_id"] for one in parts if one["subtask_id"] not in over}


def differences_of_parts(
    subtasks: Sequence[Row], parts: Sequence[Row], events: Sequence[Row]
) -> Iterator[str]:
    """Every delegated subtask is one part of one call, which was told of once."""
    by_id = {one["id"]: one for one in subtasks}
    delegated = {one["id"] for one in subtasks if one["kind"] == "delegated"}
    if delegated != {one["subtask_id"] for one in parts}:
        yield f"{len(delegated)} delegated subtasks, {len(parts)} parts"
        return
    yield from _differences_of_calls(parts, events)
    for one in parts:
        part, parent = by_id[one["subtask_id"]], by_id[one["parent_id"]]
        if parent["kind"] not in ("work", "revise") or parent["task_id"] != part["task_id"]:
            yield f"part {part['id']} came out of a {parent['kind']} or of another task"
        if part["status"] not in SUBTASK_TERMINAL and parent["status"] != "waiting":
            yield f"part {part['id']} is {part['status']} and its parent {parent['status']}"
        if one["awaited"] and parent["status"] != "waiting":
            yield f"part {part['id']} is awaited by what is {parent['status']}"


def _differences_of_calls(parts: Sequence[Row], events: Sequence[Row]) -> Iterator[str]:
    places: dict[tuple[str, int], list[int]] = {}
    for one in parts:
        places.setdefault((one["parent_id"], one["number"]), []).append(one["place"])
    for call, found in places.items():
        if sorted(found) != list(range(len(found))):
            yield f"call {call} has the parts {sorted(found)}"
    told = Counter(
        named["subtask_id"]
        for event in events
        if event["type"] == "subtask.delegated"
        for named in _data(event)["parts"]
    )
    if told != Counter(one["subtask_id"] for one in parts):
        yield f"events tell of {told.total()} parts, and there are {len(parts)}"


def _data(event: Row) -> Mapping[str, Any]:
    kept = event["data"]
    data: Mapping[str, Any] = json.loads(kept) if isinstance(kept, str) else kept
    return data
