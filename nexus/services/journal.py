"""The journal of a subtask, read for the API: what is large is shown in full only by itself."""

import json
from pathlib import Path
from typing import Any

from sqlalchemy import Row, func, select

from nexus.domain.clock import rfc3339
from nexus.domain.seam import Json
from nexus.errors import NotFound, ServiceMissing, TransientFailure
from nexus.models.chats import Message as MessageRow
from nexus.models.database import Database
from nexus.models.work import JournalRecord
from nexus.models.work import Subtask as SubtaskRow
from nexus.orchestrator.value_files import ValueFiles, folder_of_values
from nexus.schemas.lists import Page
from nexus.schemas.projects import Usage
from nexus.schemas.tasks import JournalEntry, JournalParams, LargeValue
from nexus.services.caller import Caller
from nexus.services.cursors import Cursor
from nexus.services.project_view import show_usage
from nexus.services.reads import reading


async def read_journal(
    database: Database, data: Path, caller: Caller, subtask_id: str, wanted: JournalParams
) -> Page[JournalEntry]:
    """List the recorded calls of a subtask in the order they began, or show one in full.

    Raises:
        NotFound: unknown subtask, or another workspace's.
        ServiceMissing: the database, or the file of a large value, cannot be read.
    """
    at = Cursor.read(wanted.cursor)
    owner = (
        select(func.coalesce(SubtaskRow.project_id, MessageRow.conversation_id).label("place"))
        .outerjoin(MessageRow, MessageRow.subtask_id == SubtaskRow.id)
        .where(SubtaskRow.id == subtask_id, SubtaskRow.workspace == caller.workspace)
    )
    statement = (
        select(JournalRecord.__table__)
        .where(JournalRecord.subtask_id == subtask_id)
        .order_by(JournalRecord.number)
        .limit(wanted.limit + 1)
    )
    if at:
        statement = statement.where(JournalRecord.number > at.number)
    if wanted.number is not None:
        statement = statement.where(JournalRecord.number == wanted.number)
    async with reading(database) as session:
        found = (await session.execute(owner)).one_or_none()
        if found is None:
            raise NotFound("there is no such subtask")
        rows = (await session.execute(statement)).all()
    shown = rows[: wanted.limit]
    following = Cursor(shown[-1].number, "").write() if len(rows) > wanted.limit else None
    entries = [_show_record(row) for row in shown]
    if wanted.number is not None and found.place:
        folder = folder_of_values(data, caller.workspace, found.place)
        entries = [await _in_full(one, ValueFiles(folder)) for one in entries]
    return Page(items=entries, next_cursor=following)


async def _in_full(entry: JournalEntry, files: ValueFiles) -> JournalEntry:
    large = {"request": entry.large_request, "result": entry.large_result}
    values = {name: await _value(files, one) for name, one in large.items() if one is not None}
    return entry.model_copy(update=values)


async def _value(files: ValueFiles, large: LargeValue) -> Json:
    """Read a large value; null where its file is not on this machine."""
    try:
        content = await files.read(large.sha256)
    except TransientFailure as wrong:
        raise ServiceMissing(wrong.message, hint=wrong.hint) from wrong
    value: Json = None if content is None else json.loads(content)
    return value


def _show_record(row: Row[Any]) -> JournalEntry:
    usage = {name: getattr(row, name) for name in ("input_tokens", "output_tokens")}
    cost = row.cost_pico_usd or 0
    large_request = _large(row.request_sha256, row.request_bytes, row.request)
    large_result = _large(row.result_sha256, row.result_bytes, row.result)
    return JournalEntry(
        number=row.number,
        kind=row.kind,
        name=row.name,
        key=row.key,
        generation=row.generation,
        effect=row.effect,
        status=row.status,
        request=None if large_request else row.request,
        large_request=large_request,
        result=None if large_result else row.result,
        large_result=large_result,
        outcome=row.outcome,
        usage=_call_usage(row.kind, usage, cost),
        begun_at=rfc3339(row.begun_at) or "",
        recorded_at=rfc3339(row.recorded_at),
    )


def _large(digest: str | None, size: int | None, preview: str) -> LargeValue | None:
    return LargeValue(sha256=digest, bytes=size or 0, preview=preview) if digest else None


def _call_usage(kind: str, tokens: dict[str, int], cost: int) -> Usage:
    return show_usage({"requests": int(kind == "model"), **tokens, "cost_pico_usd": cost})
