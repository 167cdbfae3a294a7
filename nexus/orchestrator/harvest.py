"""What a succeeded project has come to, and what it had read: read for the `remember` subtask.

By rules, without a model: outputs that nothing depends on are outputs, notes of its agents are
facts, what people answered are decisions. All of it is trusted like the least that was read.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from nexus.domain.citing import Source, marks_in, named
from nexus.domain.consent import AskKind
from nexus.domain.remembering import (
    MOST_BYTES,
    MOST_SOURCES,
    MemoryKind,
    MemorySource,
    Trust,
    digest_of,
)
from nexus.models.database import Database
from nexus.models.writing import Query, Row
from nexus.orchestrator.citations import find_sources
from nexus.orchestrator.memories import About
from nexus.orchestrator.team import is_model_driven
from nexus.orchestrator.value_files import ValueFiles, folder_of_values
from nexus.tools.fetch.page import visible

MOST_OF_A_KIND: Final = 20
MOST_CALLS: Final = 2_000
CUT: Final = "\n\n[… {left:,} more characters in the output of the task]"
HEAD_BYTES: Final = MOST_BYTES - 200
WEB: Final = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Find:
    """Something to be remembered; `of` names the row it is taken from."""

    of: str
    title: str
    text: str
    about: About


@dataclass(slots=True)
class Read:
    """What a project's agents have read: documents, addresses, memories, and whether of the web."""

    documents: set[str] = field(default_factory=set)
    urls: list[str] = field(default_factory=list)
    memories: set[str] = field(default_factory=set)
    is_web: bool = False


async def gather_finds(database: Database, data: Path, subtask_id: str) -> list[Find]:
    """Return what the project that a subtask remembers has come to; nothing if it is gone."""
    (projects,) = await database.ask(
        Query(
            "SELECT id, name, workspace FROM projects "
            "WHERE remembered_by = $1 AND status = 'succeeded'",
            (subtask_id,),
        )
    )
    if not projects:
        return []
    project_id, name, workspace = projects[0]
    outputs, notes, answers, calls = await database.ask(*_questions(project_id))
    read = await _judge(database, workspace, calls)
    trust = Trust.WEB if read.is_web else Trust.AGENT
    read_by_it = (tuple(sorted(read.documents)[:MOST_SOURCES]), tuple(read.urls[:MOST_SOURCES]))

    def source(task_id: str | None, task: str | None, made_by: str | None) -> MemorySource:
        return MemorySource(project_id, name, task_id, task, made_by, *read_by_it)

    finds: list[Find] = []
    for task_id, title, agent, made_by, output in outputs:
        if is_model_driven(agent):
            subject = digest_of(name, title)
            about = About(MemoryKind.OUTPUT, trust, (source(task_id, title, made_by),), subject)
            finds.append(Find(task_id, f"{name}: {title}", output or "", about))
    for approval_id, question, decision, task_id, title, made_by in answers:
        told = json.loads(decision or "{}")
        said = told.get("value") if told.get("value") is not None else told.get("comment")
        if said:
            about = About(MemoryKind.DECISION, trust, (source(task_id, title, made_by),))
            words = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
            text = f"Question: {question}\nAnswer: {words}"
            finds.append(Find(approval_id, f"{name}: {question}", text, about))
    for note_id, title, content in notes:
        about = About(MemoryKind.FACT, trust, (source(None, None, None),))
        finds.append(Find(note_id, title, bytes(content).decode("utf-8", "replace"), about))
    files = ValueFiles(folder_of_values(data, workspace, project_id))
    marks = await asyncio.to_thread(marks_in, *(one.text for one in finds))
    cited = (await find_sources(database, files, project_id, marks)).sources
    return await asyncio.to_thread(_told, finds, cited)


def _told(finds: Sequence[Find], cited: Mapping[str, Source]) -> list[Find]:
    """Write sources out, for whoever reads a memory has no list of them; leave out the empty."""
    shown = [_shown(replace(one, text=named(one.text, cited))) for one in finds]
    return [one for one in shown if one.text]


def _questions(project_id: str) -> Iterator[Query]:
    yield Query(
        "SELECT t.id, t.title, t.agent, s.id, s.output FROM tasks t "
        "JOIN subtasks s ON s.id = t.subtask_id "
        "WHERE t.project_id = $1 AND t.node >= 0 AND t.status = 'succeeded' AND NOT EXISTS "
        "(SELECT 1 FROM edges e WHERE e.project_id = $1 AND e.source = t.node AND e.data = 1) "
        "ORDER BY t.node LIMIT $2",
        (project_id, MOST_OF_A_KIND),
    )
    yield Query(
        "SELECT d.id, d.title, c.content FROM documents d "
        "JOIN document_contents c ON c.document_id = d.id "
        "WHERE d.project_id = $1 AND d.shelf = 'notes' ORDER BY d.created_at, d.id LIMIT $2",
        (project_id, MOST_OF_A_KIND),
    )
    yield Query(
        "SELECT a.id, a.question, a.decision, a.task_id, t.title, a.subtask_id FROM approvals a "
        "LEFT JOIN tasks t ON t.id = a.task_id WHERE a.project_id = $1 AND a.kind = $3 "
        "AND a.status = 'approved' ORDER BY a.created_at, a.id LIMIT $2",
        (project_id, MOST_OF_A_KIND, AskKind.QUESTION.value),
    )
    yield Query(
        "SELECT j.name, j.request, j.result, j.result_sha256 FROM journal j "
        "JOIN subtasks s ON s.id = j.subtask_id "
        "WHERE s.project_id = $1 AND j.kind = 'tool' ORDER BY j.begun_at LIMIT $2",
        (project_id, MOST_CALLS),
    )


async def _judge(database: Database, workspace: str, calls: Sequence[Row]) -> Read:
    """Tell from the calls of tools what was read, and whether strangers may have written it."""
    # More calls than are looked at may have been of any kind.
    read = Read(is_web=len(calls) == MOST_CALLS)
    for name, request, result, digest in calls:
        read.is_web |= _reaches_out(name) or (name == "search_memory" and digest is not None)
        _take_in(
            read, json.loads(request or "null"), None if digest else json.loads(result or "null")
        )
    mem, doc = sorted(read.memories), sorted(read.documents)
    doubtful, known = await database.ask(
        Query(
            "SELECT count(*) FROM memories WHERE workspace = $1 AND id IN JSON($2) AND trust <> 'web'",
            (workspace, json.dumps(mem)),
        ),
        Query(
            "SELECT source FROM documents WHERE workspace = $1 AND id IN JSON($2)",
            (workspace, json.dumps(doc)),
        ),
    )
    # What is gone by now cannot be asked where it came from.
    read.is_web |= doubtful[0][0] < len(mem) or len(known) < len(doc)
    read.is_web |= any((row[0] or "").startswith(WEB) for row in known)
    return read


def _reaches_out(name: str) -> bool:
    """Tell whether a tool brings what strangers wrote; one that is not known here may."""
    from nexus.tools.registry import Caution, tools

    spec = tools().get(name)
    return spec is None or spec.caution is Caution.OUTSIDE


def _take_in(read: Read, request: Any, result: Any) -> None:
    if isinstance(request, dict):
        read.documents.update(str(one) for one in request.get("document_ids") or ())
        if isinstance(request.get("url"), str) and request["url"] not in read.urls:
            read.urls.append(request["url"][:500])
    for one in result if isinstance(result, list) else ():
        found = one.get("document_id") if isinstance(one, dict) else None
        if isinstance(found, str) and found.startswith("mem_"):
            read.memories.add(found)
        elif isinstance(found, str) and found.startswith("doc_"):
            read.documents.add(found)


def _shown(one: Find) -> Find:
    """Cut what is too long, at a paragraph where there is one."""
    text, title = visible(one.text), " ".join(visible(one.title).split())[:200]
    raw = text.encode()
    if len(raw) > MOST_BYTES:
        head = raw[:HEAD_BYTES].decode("utf-8", "ignore")
        end = head.rfind("\n\n")
        head = head[:end] if end > len(head) // 2 else head
        text = head.rstrip() + CUT.format(left=len(text) - len(head))
    return Find(one.of, title or "untitled", text, one.about)
