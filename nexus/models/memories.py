"""What a workspace remembers of its work, and every change of it."""

from sqlalchemy import BigInteger, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from nexus.models.columns import Id, Json, MaybeRef, MaybeText, Ref, Table, TimeUs, Word, Workspace


class Memory(Table):
    """What makes an entry of the shelf `memories` one: its text is the document of the same id.

    `subject` is the digest of what it is about: a newer output about the same takes its
    place. `sources` lists what it came from: `{project_id, project, task_id, task,
    subtask_id, document_ids, urls}` each.
    """

    __tablename__ = "memories"
    __table_args__ = (
        Index("ix_memories_workspace_created", "workspace", "created_at", "id"),
        Index("ix_memories_subject", "workspace", "subject"),
    )

    id: Mapped[Id]
    workspace: Mapped[Workspace]
    kind: Mapped[Word]  # output, decision, fact or note
    trust: Mapped[Word]  # user, agent or web: the least trusted of what it came from
    status: Mapped[Word]  # active, superseded or forgotten
    superseded_by: Mapped[MaybeRef]
    subject: Mapped[MaybeText]
    sources: Mapped[Json]
    created_at: Mapped[TimeUs]
    updated_at: Mapped[TimeUs]


class MemoryChange(Table):
    """One change of a memory; append-only, and never its text: that may be deleted.

    `author` is a key's id, or `memory` for the agent that consolidates. `data` has the digests
    of the text before and after, or the other memory.
    """

    __tablename__ = "memory_changes"
    __table_args__ = (Index("ix_memory_changes_memory", "memory_id", "number"),)

    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    workspace: Mapped[Workspace]
    memory_id: Mapped[Ref]
    act: Mapped[Word]  # added, edited, merged, superseded, forgotten or deleted
    author: Mapped[Ref]
    data: Mapped[Json]
    at: Mapped[TimeUs]
