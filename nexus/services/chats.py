"""Chats: speak to an agent, look at a conversation, stop and remove it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row, Select, select

from nexus.domain.clock import rfc3339
from nexus.domain.text import dumps
from nexus.errors import NotFound
from nexus.models.chats import Conversation as ConversationRow
from nexus.models.chats import Message as MessageRow
from nexus.models.database import Database
from nexus.models.work import Subtask as SubtaskRow
from nexus.models.writing import Transaction
from nexus.orchestrator.chatting import (
    KEPT_US,
    NewMessage,
    no_conversation,
    remove_conversation,
    stop_answer,
)
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.folders import remove_folders
from nexus.orchestrator.team import find_member
from nexus.orchestrator.turn import Turn
from nexus.schemas.chats import ChatFailure, ChatMessage, ChatParams, Conversation, Exchange
from nexus.services.caller import Caller
from nexus.services.idempotency import Answer, Once
from nexus.services.project_view import show_usage
from nexus.services.reads import reading
from nexus.services.workshop import Workshop

COLUMNS: Final = (
    MessageRow.subtask_id,
    MessageRow.conversation_id,
    MessageRow.number,
    MessageRow.text,
    MessageRow.left_out,
    MessageRow.created_at,
    SubtaskRow.agent,
    SubtaskRow.status,
    SubtaskRow.output,
    SubtaskRow.error,
    SubtaskRow.attempt,
    SubtaskRow.requests,
    SubtaskRow.input_tokens,
    SubtaskRow.output_tokens,
    SubtaskRow.cost_pico_usd,
    SubtaskRow.started_at,
    SubtaskRow.finished_at,
)
SHOWN_AS: Final = {"pending": "queued", "waiting": "queued"}


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was taken, now or under the same Idempotency-Key before."""

    conversation_id: str
    subtask_id: str
    number: int
    left_out: int
    agent: str
    is_replayed: bool


async def send_message(
    engine: WorkflowEngine,
    workshop: Workshop,
    caller: Caller,
    to: tuple[Database, str],
    wanted: ChatMessage,
    once: Once,
) -> Sent:
    """Take a message to an agent (a database to look for it in, and its name).

    Raises:
        NotFound: there is no such agent, or no such conversation with it.
        Conflict: the agent is still answering the message before.
        InvalidInput: the model or a document is unknown.
    """
    database, name = to
    if workshop.find(name) is None and await find_member(database, caller.workspace, name) is None:
        raise NotFound("there is no such agent", hint="GET /agents lists them")
    if wanted.model is not None:
        workshop.check_model(wanted.model)
    new = NewMessage(
        caller.workspace,
        name,
        wanted.message,
        wanted.conversation_id,
        wanted.model,
        None if wanted.document_ids is None else tuple(wanted.document_ids),
    )

    def act(turn: Turn) -> Transaction[Answer]:
        queued = yield from engine.converse(turn, new)
        kept = {
            "conversation_id": queued.conversation_id,
            "subtask_id": queued.subtask_id,
            "number": queued.number,
            "left_out": queued.left_out,
        }
        return Answer(200, dumps(kept))

    answer = await engine.run(lambda turn: once.wrap(lambda: act(turn)))
    return Sent(**json.loads(answer.body), agent=name, is_replayed=answer.replayed)


async def show_conversation(
    database: Database, caller: Caller, agent: str, conversation_id: str, wanted: ChatParams
) -> Conversation:
    """Show a conversation with its newest messages, or those before a number.

    Raises:
        NotFound: this workspace has no such conversation with the agent.
    """
    statement = (
        _messages()
        .where(MessageRow.conversation_id == conversation_id)
        .order_by(MessageRow.number.desc())
        .limit(wanted.limit + 1)
    )
    if wanted.before is not None:
        statement = statement.where(MessageRow.number < wanted.before)
    async with reading(database) as session:
        found = await session.scalar(
            select(ConversationRow).where(
                ConversationRow.id == conversation_id,
                ConversationRow.workspace == caller.workspace,
                ConversationRow.agent == agent,
            )
        )
        rows = (await session.execute(statement)).all()
    if found is None:
        raise no_conversation()
    return Conversation(
        id=found.id,
        agent=found.agent,
        model=found.model,
        document_ids=found.document_ids,
        created_at=rfc3339(found.created_at) or "",
        updated_at=rfc3339(found.updated_at) or "",
        expires_at=rfc3339(found.updated_at + KEPT_US) or "",
        messages=[_show(row) for row in reversed(rows[: wanted.limit])],
        has_earlier=len(rows) > wanted.limit,
    )


async def show_exchange(database: Database, subtask_id: str) -> Exchange:
    """Show a message and its answer, for whoever has sent it.

    Raises:
        NotFound: its conversation was removed.
    """
    async with reading(database) as session:
        row = (
            await session.execute(_messages().where(MessageRow.subtask_id == subtask_id))
        ).one_or_none()
    if row is None:
        raise no_conversation()
    return _show(row)


async def stop_conversation(
    engine: WorkflowEngine, caller: Caller, agent: str, conversation_id: str, once: Once
) -> tuple[str, bool]:
    """Stop the answer under way; return its subtask, and whether this was done before.

    Raises:
        NotFound: no such conversation.
        Conflict: nothing is under way in it.
    """

    def act(turn: Turn) -> Transaction[Answer]:
        stopped = yield from stop_answer(turn, caller.workspace, agent, conversation_id)
        return Answer(202, dumps(stopped))

    answer = await engine.run(lambda turn: once.wrap(lambda: act(turn)))
    return str(json.loads(answer.body)), answer.replayed


async def drop_conversation(
    engine: WorkflowEngine, data: Path, caller: Caller, agent: str, conversation_id: str
) -> None:
    """Stop what is under way and delete the conversation, with its files here.

    Raises:
        NotFound: no such conversation.
    """
    await engine.run(
        lambda turn: remove_conversation(turn, caller.workspace, agent, conversation_id)
    )
    await remove_folders(data, caller.workspace, conversation_id)


def _messages() -> Select[*tuple[Any, ...]]:
    return select(*COLUMNS).join(SubtaskRow, SubtaskRow.id == MessageRow.subtask_id)


def _show(row: Row[Any]) -> Exchange:
    error = row.error if row.status == "failed" else None
    return Exchange(
        conversation_id=row.conversation_id,
        subtask_id=row.subtask_id,
        agent=row.agent,
        number=row.number,
        status=SHOWN_AS.get(row.status, row.status),
        message=row.text,
        answer=row.output if row.status == "succeeded" else None,
        error=error
        and ChatFailure(code=error["code"], message=error["message"], hint=error["hint"]),
        usage=show_usage(row._mapping),
        left_out=row.left_out,
        attempt=row.attempt,
        created_at=rfc3339(row.created_at) or "",
        started_at=rfc3339(row.started_at),
        finished_at=rfc3339(row.finished_at),
    )
