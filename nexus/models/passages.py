"""Documents and the passages they were cut into: the truth of which Chroma keeps a copy."""

from sqlalchemy import BigInteger, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from nexus.models.columns import (
    Count,
    Id,
    Json,
    LongText,
    MaybeRef,
    MaybeText,
    Name,
    Ref,
    Table,
    TimeUs,
    Word,
    Workspace,
)


class Document(Table):
    """Something that can be found again: what a user gave, or what agents keep (by its shelf).

    `source` names it to whoever adds it again: other content under the same source is a new
    edition of the same document. `edition` is the one whose passages searches see, 0 for none;
    `coming` the newest that was asked for. `embedding` names the model of its vectors.
    """

    __tablename__ = "documents"
    __table_args__ = (
        Index("ix_documents_workspace_shelf_created", "workspace", "shelf", "created_at", "id"),
        Index("ix_documents_workspace_shelf_source", "workspace", "shelf", "source"),
        Index("ix_documents_workspace_sha256", "workspace", "sha256"),
        Index("ix_documents_project", "project_id"),
        Index("ix_documents_embedding", "embedding"),
    )

    id: Mapped[Id]
    workspace: Mapped[Workspace]
    shelf: Mapped[Word] = mapped_column(server_default="documents")
    project_id: Mapped[MaybeRef]
    title: Mapped[Name]
    source: Mapped[MaybeText]
    wanted_url: Mapped[MaybeText]  # where its next edition has yet to be fetched
    media_type: Mapped[Name]
    bytes: Mapped[Count]
    sha256: Mapped[Word]
    status: Mapped[Word]  # processing, ready or failed
    error: Mapped[Json]
    passages: Mapped[Count]
    edition: Mapped[Count]
    coming: Mapped[Count]
    embedding: Mapped[Name] = mapped_column(server_default="")
    created_at: Mapped[TimeUs]


class DocumentContent(Table):
    """A document's bytes: in the database, so that any worker on any machine can read them."""

    __tablename__ = "document_contents"

    document_id: Mapped[Id]
    workspace: Mapped[Workspace]
    content: Mapped[bytes]


class Passage(Table):
    """A piece of one edition of a document, with its vector (little-endian float16).

    Its words are in the table `passage_words`: of FTS5 on SQLite, a row each on PostgreSQL. The
    migrations make it, and triggers that keep it.
    """

    __tablename__ = "passages"
    __table_args__ = (
        Index("uq_passages_id", "id", unique=True),
        Index("ix_passages_document", "document_id", "edition", "position"),
        Index("ix_passages_space", "workspace", "shelf", "embedding", "id"),
    )

    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    id: Mapped[Ref]
    workspace: Mapped[Workspace]
    shelf: Mapped[Word]
    document_id: Mapped[Ref]
    edition: Mapped[int] = mapped_column(BigInteger)
    position: Mapped[int] = mapped_column(BigInteger)
    locator: Mapped[LongText]
    heading: Mapped[LongText]
    text: Mapped[LongText]
    tokens: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[Word]
    embedding: Mapped[Name]
    vector: Mapped[bytes]


class ForgottenPassage(Table):
    """A passage that is gone from here and may still be in Chroma."""

    __tablename__ = "forgotten_passages"

    id: Mapped[Id]
    workspace: Mapped[Workspace]
    shelf: Mapped[Word]
    embedding: Mapped[Name]


class UntidyDocument(Table):
    """A document that may have passages nobody will see again, of an edition or all of it."""

    __tablename__ = "untidy_documents"

    document_id: Mapped[Id]
    workspace: Mapped[Workspace]
