"""The parts of subtasks' work that their agents have delegated."""

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from nexus.models.columns import Count, LongText, Name, Ref, Table, Workspace


class DelegatedPart(Table):
    """What a delegated subtask is to do; `number` is of the call in its parent's journal.

    `awaited` while its parent waits for it and its siblings, which `place` puts in order.
    """

    __tablename__ = "parts"
    __table_args__ = (
        Index("ix_parts_parent", "parent_id", "number"),
        Index("ix_parts_project", "project_id"),
        Index(
            "ix_parts_awaited",
            "parent_id",
            sqlite_where=text("awaited = 1"),
            postgresql_where=text("awaited = 1"),
        ),
    )

    subtask_id: Mapped[Ref] = mapped_column(primary_key=True)
    workspace: Mapped[Workspace]
    project_id: Mapped[Ref]
    parent_id: Mapped[Ref]
    number: Mapped[int]
    place: Mapped[int]
    title: Mapped[Name]
    instructions: Mapped[LongText]
    awaited: Mapped[Count]  # 0 or 1
