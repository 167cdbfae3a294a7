"""Documents and what a search in them returns."""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    Strict,
    StringConstraints,
)

from nexus.schemas.lists import PageParams
from nexus.schemas.projects import Failure
from nexus.schemas.strictness import Reply, Request


class DocumentListParams(PageParams):
    """Which documents to list."""

    q: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Words to find in the title."
    )


class Document(Reply):
    """Something a user put in memory; it can be searched once it is `ready`."""

    id: str
    title: str
    media_type: str
    bytes: int
    status: str = Field(description="processing, ready or failed")
    error: Failure | None
    passages: int
    created_at: str


def _written(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("a time is written as text, such as 2026-01-31T12:00:00Z")
    return value


Moment = Annotated[AwareDatetime, Strict(strict=False), BeforeValidator(_written)]


class SearchFilter(Request):
    """Where to search; a passage must meet all of it."""

    document_ids: (
        Annotated[
            list[Annotated[str, StringConstraints(max_length=40)]],
            Field(min_length=1, max_length=200),
        ]
        | None
    ) = None
    project_id: Annotated[str, StringConstraints(max_length=40)] | None = Field(
        None, description="Only in the documents of this project."
    )
    media_types: (
        Annotated[
            list[Annotated[str, StringConstraints(max_length=100)]],
            Field(min_length=1, max_length=20),
        ]
        | None
    ) = None
    added_after: Moment | None = Field(None, description="Documents added then or later.")
    added_before: Moment | None = Field(None, description="Documents added earlier than this.")
    shelves: Annotated[
        list[Literal["documents", "memories"]], Field(min_length=1, max_length=2)
    ] = Field(["documents"], description="Documents, memories of earlier work, or both.")


def _not_blank(query: str) -> str:
    if not query.strip():
        raise ValueError("a query needs words")
    return query


class Search(Request):
    """A search by meaning and by words."""

    query: Annotated[
        str, StringConstraints(min_length=1, max_length=2_000), AfterValidator(_not_blank)
    ]
    k: Annotated[int, Field(ge=1, le=50)] = Field(8, description="How many passages at most.")
    max_tokens: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        None, description="How many tokens the passages may have together."
    )
    filter: SearchFilter | None = None


class Passage(Reply):
    """A piece of a document that answers a search; a higher score fits better.

    `similarity` is the cosine of its meaning and the question's.
    """

    id: str
    text: str
    score: float
    similarity: float
    document_id: str
    title: str
    locator: str
    shelf: str = Field("documents", description="documents or memories")
    memory_id: str | None = Field(None, description="The memory it is of.")
    trust: str | None = Field(None, description="Of a memory: user, agent or web.")


class Passages(Reply):
    """The passages found, best first."""

    items: list[Passage]
    note: str | None = Field(None, description="Why there is nothing, or not everything.")
