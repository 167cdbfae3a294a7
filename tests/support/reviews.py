"""What the rows of reviews must say: every output was judged, and none counts that was not accepted.

Part of `history.py`. Every function yields a sentence for each thing that is wrong.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
OPEN = ("queued", "running", "waiting")
MOST_ROUNDS = 2


def differences_of_reviews(
    tasks: Sequence[Row], subtasks: Sequence[Row], offshoots: Sequence[Row]
) -> Iterator[str]:
    """A task under review is revised at most twice, and ends well by a verdict alone."""
    by_id = {one["id"]: one for one in subtasks}
    origins = {one["subtask_id"]: one for one in offshoots}
    yield from _differences_of_chains(by_id, origins)
    reviews = {
        row["parent_id"]: by_id[one]
        for one, row in origins.items()
        if by_id[one]["kind"] == "review"
    }
    at_work = {one["task_id"] for one in subtasks if one["status"] in OPEN}
    for task in tasks:
        if not task["review"]:
            continue
        key, current = task["key"], by_id.get(task["subtask_id"])
        if task["status"] in ("running", "waiting") and task["id"] not in at_work:
            yield f"task {key} is {task['status']} and nobody works on it"
        if task["status"] == "succeeded" and current:
            yield from _differences_of_end(task, current, reviews, origins)


def _differences_of_chains(by_id: Mapping[str, Row], origins: Mapping[str, Row]) -> Iterator[str]:
    for one, row in origins.items():
        kind, parent = by_id[one]["kind"], by_id[row["parent_id"]]
        expected = {"review": ("work", "revise"), "revise": ("review",)}[kind]
        if parent["kind"] not in expected or parent["status"] != "succeeded":
            yield f"{kind} {one} came out of a {parent['status']} {parent['kind']}"
        if parent["task_id"] != by_id[one]["task_id"]:
            yield f"{kind} {one} is of another task than what it came out of"
        if row["round"] > MOST_ROUNDS:
            yield f"{kind} {one} is of round {row['round']}"
        if kind == "revise" and _is_accepted(parent):
            yield f"an accepted output is revised by {one}"
    parents = [row["parent_id"] for row in origins.values()]
    if len(set(parents)) != len(parents):
        yield "two subtasks came out of one"


def _differences_of_end(
    task: Row, current: Row, reviews: Mapping[str, Row], origins: Mapping[str, Row]
) -> Iterator[str]:
    if current["kind"] == "review":
        if task["on_rejection"] != "deliver" or origins[current["id"]]["round"] != MOST_ROUNDS:
            yield f"task {task['key']} was handed over too early"
        return
    review = reviews.get(current["id"])
    if review is None or review["status"] != "succeeded" or not _is_accepted(review):
        yield f"task {task['key']} succeeded with an output that no review accepted"


def _is_accepted(review: Row) -> bool:
    return bool(json.loads(review["output"])["accepted"])
