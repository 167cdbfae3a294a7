"""What the marks in outputs stand for: read from the journal of what a project's agents were shown.

Only the tools that give out marks are believed, never the text of what they returned: a page
that writes marks makes no sources. What a reviewer was shown is nobody else's source.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from nexus.domain.citing import MARK, Source, marks_in
from nexus.domain.states import SubtaskKind
from nexus.domain.work import Brief
from nexus.models.database import Database
from nexus.models.writing import Query
from nexus.orchestrator.value_files import ValueFiles

GIVERS: Final = ("search_memory", "fetch_url", "search_web")
ROWS_AT_ONCE: Final = 100


async def find_sources(
    database: Database, files: ValueFiles, project_id: str, marks: Iterable[str]
) -> dict[str, Source]:
    """Return what marks stand for, as far as the project's agents were shown it.

    Raises:
        ServiceMissing: the database is out of reach.
        TransientFailure: a large result cannot be read.
    """
    wanted, found = set(marks), dict[str, Source]()
    last: tuple[str, int] = ("", -1)
    while wanted - found.keys():
        (rows,) = await database.ask(_shown(project_id, last))
        for *_, result, digest in rows:
            value = await _value(files, result, digest, wanted - found.keys())
            found |= {one.mark: one for one in sources_in(value) if one.mark in wanted}
        if len(rows) < ROWS_AT_ONCE:
            break
        last = (rows[-1][0], rows[-1][1])
    return found


async def with_citations_of(
    database: Database, files: ValueFiles, project_id: str, brief: Brief
) -> Brief:
    """Tell whoever is to judge work what each mark in it stands for."""
    judged = [*brief.inputs.values()] if brief.submission is None else [brief.submission]
    marks = marks_in(*judged)
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


def _shown(project_id: str, last: tuple[str, int]) -> Query:
    """Ask for the next recorded results, in the order of the table's key."""
    return Query(
        "SELECT j.subtask_id, j.number, j.result, j.result_sha256 FROM journal j "
        "JOIN subtasks s ON s.id = j.subtask_id "
        "WHERE s.project_id = $1 AND s.kind <> $2 AND j.kind = 'tool' AND j.status = 'recorded' "
        "AND j.name IN JSON($3) AND (j.subtask_id, j.number) > ($4, $5) "
        "ORDER BY j.subtask_id, j.number LIMIT $6",
        (project_id, SubtaskKind.REVIEW.value, json.dumps(GIVERS), *last, ROWS_AT_ONCE),
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
