"""Conversations with agents; an answer is the output of the subtask its message names."""

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from nexus.models.columns import (
    Count,
    Id,
    Json,
    LongText,
    MaybeText,
    Ref,
    Table,
    TimeUs,
    Word,
    Workspace,
)


class Conversation(Table):
    """What a person and one agent have said; `updated_at` is the time of the last message."""

    __tablename__ = "conversations"
    __table_args__ = (Index("ix_conversations_updated", "updated_at"),)

    id: Mapped[Id]
    workspace: Mapped[Workspace]
    agent: Mapped[Word]
    model: Mapped[MaybeText]
    document_ids: Mapped[Json]
    created_at: Mapped[TimeUs]
    updated_at: Mapped[TimeUs]


class Message(Table):
    """A message of a person; the `chat` subtask that answers it has the rest.

    Its prompt shows the exchanges from number `shown_from` on and leaves `left_out` older
    ones out.
    """

    __tablename__ = "messages"
    __table_args__ = (
        Index("uq_messages_conversation_number", "conversation_id", "number", unique=True),
    )

    subtask_id: Mapped[Ref] = mapped_column(primary_key=True)
    workspace: Mapped[Workspace]
    conversation_id: Mapped[Ref]
    number: Mapped[int]
    text: Mapped[LongText]
    shown_from: Mapped[int]
    left_out: Mapped[Count]
    created_at: Mapped[TimeUs]
