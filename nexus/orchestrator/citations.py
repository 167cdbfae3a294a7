"""What the marks in outputs stand for: read from the journal of what a project's agents were shown.

Only the tools that give out marks are believed, never the text of what they returned: a page
that writes marks makes no sources. What a reviewer was shown is nobody else's source.
"""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Final

from nexus.domain.citing import MARK, NOT_HERE, Source, marks_in
from nexus.domain.states import SubtaskKind
from nexus.domain.work import Brief
from nexus.models.database import Database
from nexus.models.writing import Query, Row
from nexus.orchestrator.value_files import ValueFiles

GIVERS: Final = ("search_memory", "fetch_url", "search_web")
SUBTASKS_AT_ONCE: Final = 20
MARK_ANYWHERE: Final = re.compile(r"[pw][0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Looked:
    """The sources found by their marks; `is_whole` unless a large result is on another machine."""

    sources: Mapping[str, Source]
    is_whole: bool = True

    @property
    def otherwise(self) -> str:
        """Say what is to be said of a mark without a source: "" if it surely has none."""
        return "" if self.is_whole else NOT_HERE


async def find_sources(
    database: Database, files: ValueFiles, project_id: str, marks: Iterable[str]
) -> Looked:
    """Return what marks stand for, as far as the project's agents were shown it.

    Raises:
        ServiceMissing: the database is out of reach.
        TransientFailure: a large result cannot be read.
    """
    wanted, found, is_whole = set(marks), dict[str, Source](), True
    subtasks: Sequence[Row] = ()
    if wanted:
        (subtasks,) = await database.ask(_subtasks(project_id))
    for start in range(0, len(subtasks), SUBTASKS_AT_ONCE):
        if not wanted - found.keys():
            break
        ids = [row[0] for row in subtasks[start : start + SUBTASKS_AT_ONCE]]
        (rows,) = await database.ask(_shown(ids))
        for result, digest in rows:
            text = result if digest is None else await files.read(digest)
            is_whole &= text is not None or digest is None
            if text:
                # The first that gave out a mark says what it is, whoever asks, and whenever.
                found = await asyncio.to_thread(_found, text, wanted - found.keys()) | found
    return Looked(found, is_whole)


async def with_citations_of(
    database: Database, files: ValueFiles, project_id: str, brief: Brief
) -> Brief:
    """Tell whoever is to judge work what each mark in it stands for."""
    judged = [*brief.inputs.values()] if brief.submission is None else [brief.submission]
    marks = await asyncio.to_thread(marks_in, *judged)  # outputs may have millions of characters
    looked = await find_sources(database, files, project_id, marks)
    known = looked.sources
    told = {one: known[one].name if one in known else looked.otherwise for one in marks}
    return replace(brief, citations=told)


def sources_in(result: Any) -> Iterator[Source]:
    """List what a result of one of these tools gives marks for."""
    for one in result if isinstance(result, list) else [result]:
        mark = MARK.search(str(one.get("cite", ""))) if isinstance(one, Mapping) else None
        if mark:
            title, locator, url = (_text(one, name) for name in ("title", "locator", "url"))
            ids = (_text(one, "document_id") or None, _text(one, "passage_id") or None)
            yield Source(mark[0], title, locator, *ids, url or None)


def _subtasks(project_id: str) -> Query:
    return Query(
        "SELECT id FROM subtasks WHERE project_id = $1 AND kind <> $2 ORDER BY id",
        (project_id, SubtaskKind.REVIEW.value),
    )


def _shown(subtask_ids: Sequence[str]) -> Query:
    return Query(
        "SELECT result, result_sha256 FROM journal WHERE subtask_id IN JSON($1) "
        "AND kind = 'tool' AND status = 'recorded' AND name IN JSON($2) "
        "ORDER BY subtask_id, number",
        (json.dumps(subtask_ids), json.dumps(GIVERS)),
    )


def _found(text: str | bytes, wanted: Set[str]) -> dict[str, Source]:
    """Read the sources of a result that has one of the marks; none of any other."""
    told = text.decode() if isinstance(text, bytes) else text
    if wanted.isdisjoint(MARK_ANYWHERE.findall(told)):
        return {}
    return {one.mark: one for one in sources_in(json.loads(told)) if one.mark in wanted}


def _text(one: Mapping[str, Any], name: str) -> str:
    value = one.get(name)
    return value if isinstance(value, str) else ""
