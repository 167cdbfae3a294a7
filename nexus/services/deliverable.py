"""The deliverable: the outputs that nothing further was made of, as one document.

Of a project that went well these are the outputs of the tasks that nothing depends on. Of any
other, outputs whose readers did not succeed are handed over too: what there is, is delivered.
"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row, exists, select
from sqlalchemy.orm import aliased

from nexus.domain.states import PROJECT_TERMINAL, ProjectState, TaskState
from nexus.errors import Conflict
from nexus.models.database import Database
from nexus.models.projects import Edge
from nexus.models.projects import Project as ProjectRow
from nexus.models.projects import Task as TaskRow
from nexus.models.work import Reservation
from nexus.models.work import Subtask as SubtaskRow
from nexus.schemas.deliverable import Deliverable, Missing, Part
from nexus.services.caller import Caller
from nexus.services.project_view import show_failure
from nexus.services.projects import no_project
from nexus.services.reads import reading
from nexus.services.references import References, find_references

WAITS: Final = (ProjectRow.status == ProjectState.WAITING) & exists().where(
    Reservation.project_id == ProjectRow.id, Reservation.granted == 0
)
"""Whether it waits for its budget."""


async def get_deliverable(
    database: Database, data: Path, caller: Caller, project_id: str
) -> Deliverable:
    """Put a project's deliverable together: when it has ended, or has used up its budget.

    Raises:
        NotFound: unknown, or another workspace's.
        Conflict: the project goes on.
        ServiceMissing: the database, or the file of a large value, cannot be read.
    """
    async with reading(database) as session:
        project = (
            await session.execute(
                select(ProjectRow.name, ProjectRow.status, WAITS.label("waits")).where(
                    ProjectRow.id == project_id, ProjectRow.workspace == caller.workspace
                )
            )
        ).one_or_none()
        if project is None:
            raise no_project()
        if project.status not in PROJECT_TERMINAL and not project.waits:
            raise Conflict(
                f"the project is {project.status}: its deliverable is not there yet",
                code="not_finished",
                hint="follow its events or its progress until it has ended",
            )
        sinks = (await session.execute(_sinks(project_id))).all()
        failed = (await session.execute(_undelivered(project_id))).all()
    parts = [_part(row) for row in sinks]
    missing = [_missing(row) for row in failed]
    texts = [part.content for part in parts]
    references = await find_references(database, data, caller, project_id, texts)
    return Deliverable(
        project_id=project_id,
        title=project.name,
        status=project.status,
        markdown=await asyncio.to_thread(write_markdown, project.name, parts, missing, references),
        parts=parts,
        missing=missing,
        sources=[*references.sources],
        lost=[*references.lost],
    )


def _sinks(project_id: str) -> Any:
    reader = aliased(TaskRow)
    is_used = exists().where(
        Edge.project_id == project_id,
        Edge.source == TaskRow.node,
        Edge.data == 1,
        reader.project_id == project_id,
        reader.node == Edge.target,
        reader.status == TaskState.SUCCEEDED,
    )
    return (
        select(TaskRow.id, TaskRow.key, TaskRow.title, TaskRow.agent, SubtaskRow.output)
        .join(SubtaskRow, SubtaskRow.id == TaskRow.subtask_id)
        .where(
            TaskRow.project_id == project_id,
            TaskRow.node >= 0,
            TaskRow.status == TaskState.SUCCEEDED,
            ~is_used,
        )
        .order_by(TaskRow.node)
    )


def _undelivered(project_id: str) -> Any:
    return (
        select(TaskRow.id, TaskRow.key, TaskRow.title, TaskRow.status, TaskRow.error)
        .where(
            TaskRow.project_id == project_id,
            TaskRow.node >= 0,
            TaskRow.status != TaskState.SUCCEEDED,
        )
        .order_by(TaskRow.node)
    )


def _part(row: Row[Any]) -> Part:
    return Part(
        task_id=row.id, key=row.key, title=row.title, agent=row.agent, content=row.output or ""
    )


def _missing(row: Row[Any]) -> Missing:
    return Missing(
        task_id=row.id,
        key=row.key,
        title=row.title,
        status=row.status,
        error=show_failure(row.error),
    )


def write_markdown(
    title: str, parts: Sequence[Part], missing: Sequence[Missing], references: References
) -> str:
    """Write the document: a single part stands for itself, several get headings.

    A single part that is JSON stays JSON, without numbers or a list.
    """
    if len(parts) == 1 and not missing:
        only = parts[0].content.rstrip()
        if is_json(only):
            return only + "\n"
        return (
            "\n\n".join(filter(None, (references.numbered(only), references.listed()))).rstrip()
            + "\n"
        )
    blocks = [f"# {_line(title)}"]
    for part in parts:
        blocks += [f"## {_line(part.title)}", references.numbered(part.content.strip())]
    if missing:
        blocks += ["## Not delivered", "\n".join(_reason(task) for task in missing)]
    blocks.append(references.listed().rstrip())
    return "\n\n".join(block for block in blocks if block) + "\n"


def is_json(text: str) -> bool:
    """Tell whether a text is a JSON object or list."""
    if text[:1] + text[-1:] not in ("{}", "[]"):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _reason(task: Missing) -> str:
    why = f": {_line(task.error.message)}" if task.error else ""
    return f"- {_line(task.title)} (`{task.key}`): {task.status}{why}"


def _line(text: str) -> str:
    return " ".join(text.split())
