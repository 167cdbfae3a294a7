"""What the marks in outputs stand for: read from the journal of what a project's agents were shown.

Only the tools that give out marks are believed, never the text of what they returned: a page
that writes marks makes no sources. What a reviewer was shown is nobody else's source.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from nexus.domain.citing import MARK, Source, marks_in
from nexus.domain.states import SubtaskKind
from nexus.domain.work import Brief
from nexus.models.database import Database
from nexus.models.writing import Query
from nexus.orchestrator.value_files import ValueFiles

GIVERS: Final = ("search_memory", "fetch_url", "search_web")
SUBTASKS_AT_ONCE: Final = 50


async def find_sources(
    database: Database, files: ValueFiles, project_id: str, marks: Iterable[str]
) -> dict[str, Source]:
    """Return what marks stand for, as far as the project's agents were shown it.

    Raises:
        ServiceMissing: the database is out of reach.
        TransientFailure: a large result cannot be read.
    """
    wanted, found = set(marks), dict[str, Source]()
    (subtasks,) = await database.ask(_subtasks(project_id))
    for start in range(0, len(subtasks), SUBTASKS_AT_ONCE):
        if not wanted - found.keys():
            break
        ids = [row[0] for row in subtasks[start : start + SUBTASKS_AT_ONCE]]
        (rows,) = await database.ask(_shown(ids))
        for result, digest in rows:
            value = await _value(files, result, digest, wanted - found.keys())
            found |= {one.mark: one for one in sources_in(value) if one.mark in wanted}
    return found


async def with_citations_of(
    database: Database, files: ValueFiles, project_id: str, brief: Brief
) -> Brief:
    """Tell whoever is to judge work what each mark in it stands for."""
    judged = [*brief.inputs.values()] if brief.submission is None else [brief.submission]
    marks = await asyncio.to_thread(marks_in, *judged)  # outputs may have millions of characters
    if not marks:
        return brief
    sources = await find_sources(database, files, project_id, marks)
    told = {mark: sources[mark].name if mark in sources else "" for mark in marks}
    return replace(brief, citations=told)


def sources_in(result: Any) -> Iterator[Source]:
    """List what a result of one of these tools gives marks for."""
    for one in result if isinstance(result, list) else [result]:
        mark = MARK.search(str(one.get("cite", ""))) if isinstance(one, Mapping) else None
        if mark:
            title, locator, url = (_text(one, name) for name in ("title", "locator", "url"))
            ids = (_text(one, "document_id") or None, _text(one, "passage_id") or None)
            yield Source(mark[0], title, locator, *ids, url or None)


def sources_of(results: Iterable[tuple[str, str | None]]) -> dict[str, Source]:
    """Gather the sources of results at hand by their marks; each is a tool's name and JSON."""
    return {
        one.mark: one
        for name, result in results
        if name in GIVERS and result
        for one in sources_in(json.loads(result))
    }


def _subtasks(project_id: str) -> Query:
    return Query(
        "SELECT id FROM subtasks WHERE project_id = $1 AND kind <> $2",
        (project_id, SubtaskKind.REVIEW.value),
    )


def _shown(subtask_ids: Sequence[str]) -> Query:
    return Query(
        "SELECT result, result_sha256 FROM journal WHERE subtask_id IN JSON($1) "
        "AND kind = 'tool' AND status = 'recorded' AND name IN JSON($2)",
        (json.dumps(subtask_ids), json.dumps(GIVERS)),
    )


async def _value(
    files: ValueFiles, result: str | None, digest: str | None, wanted: set[str]
) -> Any:
    """Read a result that has one of the marks; None for any other."""
    text = result
    if digest is not None:
        content = await files.read(digest)
        text = None if content is None else content.decode()
    if text is None or not any(mark in text for mark in wanted):
        return None
    return json.loads(text)


def _text(one: Mapping[str, Any], name: str) -> str:
    value = one.get(name)
    return value if isinstance(value, str) else ""
