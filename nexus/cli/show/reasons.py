"""A diagnosis as lines: the project in a sentence, then each unfinished task with its reasons."""

from collections.abc import Iterator
from typing import Any

from nexus.cli.show.wording import MARKS, counted

Document = dict[str, Any]


def diagnosis_lines(diagnosis: Document) -> Iterator[str]:
    """Write a page of a diagnosis."""
    yield f"{diagnosis['project_id']}: {diagnosis['text']}"
    yield from _surroundings(diagnosis)
    for item in diagnosis["items"]:
        mark = MARKS[item["status"]][0]
        name = item["key"] or item["title"]
        first, *others = [reason["text"] for reason in item["reasons"]] or [item["status"]]
        yield f"{mark} {name}: {first}"
        yield from (f"    {text}" for text in others)
        for reason in item["reasons"]:
            if reason["approval_id"]:
                yield f"    answer with: nexus approvals show {reason['approval_id']}"
    more = sum(diagnosis["counts"].values()) - sum(1 for one in diagnosis["items"] if one["key"])
    if diagnosis["next_cursor"]:
        yield f"and {counted(more, 'more task')}"


def _surroundings(diagnosis: Document) -> Iterator[str]:
    workers = diagnosis["workers"]
    words = f"{counted(workers['live'], 'worker')} alive, {workers['busy']:,} of "
    yield f"{words}{counted(workers['slots'], 'slot')} taken"
    if diagnosis["redis"] == "missing":
        yield "Redis is missing: workers ask the database for work, more slowly"
    if diagnosis["chroma"] == "missing":
        yield "Chroma is missing: searches in documents are refused, new documents wait for it"
    if diagnosis["documents_processing"]:
        yield f"{counted(diagnosis['documents_processing'], 'document')} at hand not ready yet"
