"""Memories: what a workspace remembers, where it comes from, and how it changed."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from nexus.domain.remembering import MOST_BYTES
from nexus.schemas.lists import PageParams
from nexus.schemas.strictness import Reply, Request


def _fits(text: str) -> str:
    if not text.strip():
        raise ValueError("it needs words")
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise ValueError(f"a memory has at most {MOST_BYTES:,} bytes")
    return text


MemoryText = Annotated[
    str, StringConstraints(min_length=1, max_length=MOST_BYTES), AfterValidator(_fits)
]
MemoryTitle = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_fits)]
Kind = Literal["output", "decision", "fact", "note"]


class MemoryListParams(PageParams):
    """Which memories to list."""

    kind: Kind | None = None
    status: Literal["active", "superseded", "forgotten"] | None = None
    q: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Words to find in the title."
    )
    project_id: Annotated[str, Field(max_length=40)] | None = Field(
        None, description="Those that came out of a project."
    )


class MemoryCreate(Request):
    """Something to be remembered in a person's own words."""

    title: MemoryTitle
    text: MemoryText = Field(description="At most 8,000 bytes.")
    kind: Literal["decision", "fact", "note"] = "note"


class MemoryEdit(Request):
    """What to change of a memory; what is left out stays."""

    title: MemoryTitle | None = None
    text: MemoryText | None = None


class MemorySource(Reply):
    """One origin of a memory: the work it is of, and what that project had read."""

    project_id: str
    project: str
    task_id: str | None
    task: str | None
    subtask_id: str | None
    document_ids: list[str]
    urls: list[str]


class MemoryLine(Reply):
    """A memory as lists show it; `trust` is the least trusted of what it came from."""

    id: str
    kind: str = Field(description="output, decision, fact or note")
    title: str
    trust: str = Field(description="user, agent or web")
    status: str = Field(description="active, superseded or forgotten; searches find what is active")
    superseded_by: str | None
    project_id: str | None
    bytes: int
    created_at: str
    updated_at: str


class Memory(MemoryLine):
    """A memory with its text and where it comes from."""

    text: str
    sources: list[MemorySource]


class MemoryChange(Reply):
    """One change of a memory; digests stand for its text, which may be deleted."""

    act: str = Field(description="added, edited, merged, superseded, forgotten or deleted")
    by: str = Field(description="The id of a key, or `memory` for the agent that consolidates.")
    data: dict[str, Any]
    at: str
