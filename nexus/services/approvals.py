"""Approvals: list and show the questions to a person, take the answers."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import Select, Text, and_, func, select, type_coerce

from nexus.domain.clock import rfc3339
from nexus.errors import NotFound
from nexus.models.database import Database
from nexus.models.projects import Approval as ApprovalRow
from nexus.models.work import JournalRecord
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.deciding import Decision
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.turn import Turn
from nexus.schemas.approvals import (
    MAX_ARGUMENT_CHARACTERS,
    Approval,
    ApprovalDecide,
    ApprovalDecision,
    ApprovalListParams,
    AskedCall,
)
from nexus.schemas.lists import Page
from nexus.services.caller import Caller
from nexus.services.cursors import Cursor, page_of
from nexus.services.idempotency import Answer, Once
from nexus.services.reads import reading

ROW: Final = Query(
    "SELECT a.id, a.kind, a.status, a.question, a.project_id, a.task_id, a.subtask_id, a.number,"
    " a.decision, a.decided_by, a.created_at, a.decided_at, a.used_at, j.kind, j.name,"
    " substr(j.request, 1, 2001), j.request_sha256, j.begun_at FROM approvals a LEFT JOIN journal j"
    " ON j.subtask_id = a.subtask_id AND j.number = a.number WHERE a.id = $1"
)
COLUMNS: Final = (
    ApprovalRow.id,
    ApprovalRow.kind,
    ApprovalRow.status,
    ApprovalRow.question,
    ApprovalRow.project_id,
    ApprovalRow.task_id,
    ApprovalRow.subtask_id,
    ApprovalRow.number,
    ApprovalRow.decision,
    ApprovalRow.decided_by,
    ApprovalRow.created_at,
    ApprovalRow.decided_at,
    ApprovalRow.used_at,
    JournalRecord.kind.label("call_kind"),
    JournalRecord.name.label("call_name"),
    func.substr(type_coerce(JournalRecord.request, Text), 1, MAX_ARGUMENT_CHARACTERS + 1).label(
        "call_arguments"
    ),
    JournalRecord.request_sha256.label("call_request_sha256"),
    JournalRecord.begun_at.label("call_begun_at"),
)
NAMES: Final = tuple(column.key for column in COLUMNS)


def _asked(caller: Caller) -> Select[Any]:
    """Select a workspace's approvals with the calls they are about."""
    call = and_(
        JournalRecord.subtask_id == ApprovalRow.subtask_id,
        JournalRecord.number == ApprovalRow.number,
    )
    return (
        select(*COLUMNS)
        .outerjoin(JournalRecord, call)
        .where(ApprovalRow.workspace == caller.workspace)
    )


async def list_approvals(
    database: Database, caller: Caller, wanted: ApprovalListParams
) -> Page[Approval]:
    """List the workspace's approvals, newest first."""
    at = Cursor.read(wanted.cursor)
    statement = (
        _asked(caller)
        .order_by(ApprovalRow.created_at.desc(), ApprovalRow.id.desc())
        .limit(wanted.limit + 1)
    )
    if at:
        statement = statement.where(at.before(ApprovalRow.created_at, ApprovalRow.id))
    if wanted.status:
        statement = statement.where(ApprovalRow.status == wanted.status)
    if wanted.project_id:
        statement = statement.where(ApprovalRow.project_id == wanted.project_id)
    async with reading(database) as session:
        rows = (await session.execute(statement)).all()
    shown, following = page_of(rows, wanted.limit)
    return Page(items=[_show(row._mapping) for row in shown], next_cursor=following)


async def get_approval(database: Database, caller: Caller, approval_id: str) -> Approval:
    """Show one approval.

    Raises:
        NotFound: unknown, or another workspace's.
    """
    async with reading(database) as session:
        found = await session.execute(_asked(caller).where(ApprovalRow.id == approval_id))
        row = found.one_or_none()
    if row is None:
        raise NotFound("no such approval", hint="list them with GET /approvals")
    return _show(row._mapping)


async def decide_approval(
    engine: WorkflowEngine, caller: Caller, approval_id: str, wanted: ApprovalDecide, once: Once
) -> Answer:
    """Take a person's answer; what waited for it goes on.

    Raises:
        NotFound: unknown, or another workspace's.
        Conflict: it was decided before, or has expired.
    """
    decision = Decision(
        approve=wanted.decision == "approve",
        decided_by=caller.key_id,
        comment=wanted.comment,
        gives_value=wanted.value is not None,
        value=wanted.value,
    )

    def act(turn: Turn) -> Transaction[Answer]:
        yield from engine.decide(turn, caller.workspace, approval_id, decision)
        rows = yield Query(ROW.sql, (approval_id,))
        row = dict(zip(NAMES, rows[0], strict=True))
        row["decision"] = json.loads(row["decision"])
        return Answer(200, _show(row).model_dump_json())

    return await engine.run(lambda turn: once.wrap(lambda: act(turn)), "decide")


def _show(row: Mapping[Any, Any]) -> Approval:
    return Approval(
        id=row["id"],
        kind=row["kind"],
        status=row["status"],
        question=row["question"],
        project_id=row["project_id"],
        task_id=row["task_id"],
        subtask_id=row["subtask_id"],
        call=_call(row),
        decision=_decision(row),
        created_at=rfc3339(row["created_at"]) or "",
        decided_at=rfc3339(row["decided_at"]),
        used_at=rfc3339(row["used_at"]),
    )


def _call(row: Mapping[Any, Any]) -> AskedCall | None:
    if row["call_name"] is None:
        return None
    arguments = row["call_arguments"] or "null"
    if row["call_request_sha256"] is not None:
        with suppress(ValueError):  # of a large request the row has the beginning, as a JSON text
            arguments = f"{json.loads(arguments)}…"
    is_cut = len(arguments) > MAX_ARGUMENT_CHARACTERS
    return AskedCall(
        number=row["number"],
        kind=row["call_kind"],
        name=row["call_name"],
        arguments=f"{arguments[: MAX_ARGUMENT_CHARACTERS - 1]}…" if is_cut else arguments,
        begun_at=rfc3339(row["call_begun_at"]) or "",
    )


def _decision(row: Mapping[Any, Any]) -> ApprovalDecision | None:
    kept = row["decision"]
    if kept is None:
        return None
    return ApprovalDecision(
        decision=kept["decision"],
        comment=kept["comment"],
        value=kept.get("value"),
        decided_by=row["decided_by"],
    )
