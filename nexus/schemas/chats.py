"""Conversations with agents as the API takes and shows them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from nexus.schemas.projects import Usage
from nexus.schemas.strictness import Params, Reply, Request

AnswerStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]


def _not_blank(message: str) -> str:
    if not message.strip():
        raise ValueError("a message needs words")
    return message


class ChatMessage(Request):
    """A message to an agent; without `conversation_id` it begins a conversation."""

    message: Annotated[
        str, StringConstraints(min_length=1, max_length=20_000), AfterValidator(_not_blank)
    ]
    conversation_id: Annotated[str, StringConstraints(min_length=1, max_length=40)] | None = None
    model: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = Field(
        None,
        description="`provider:name`, a comma-separated chain of them, or `offline`; from this "
        "message on.",
    )
    document_ids: (
        Annotated[list[Annotated[str, StringConstraints(max_length=40)]], Field(max_length=1_000)]
        | None
    ) = Field(
        None,
        description="Which documents are at hand, from this message on; at first all of the "
        "workspace.",
    )


class ChatHeaders(BaseModel):
    """What decides between a stream and one answer."""

    accept: Annotated[str, Field(max_length=1_000)] = "*/*"


class ChatParams(Params):
    """Which messages of a conversation to show."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    before: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        None, description="Only messages with a smaller number; default: the newest ones."
    )


class ChatFailure(Reply):
    """Why a message got no answer, and what to do about it."""

    code: str
    message: str
    hint: str | None


class Exchange(Reply):
    """A message and the answer to it, or why there is none."""

    conversation_id: str
    subtask_id: str
    agent: str
    number: int = Field(description="Counts the messages of the conversation from 1.")
    status: AnswerStatus
    message: str
    answer: str | None = Field(description="Null until it has succeeded.")
    error: ChatFailure | None
    usage: Usage
    left_out: int = Field(description="Older messages that the agent was not shown any more.")
    attempt: int
    created_at: str
    started_at: str | None
    finished_at: str | None


class Conversation(Reply):
    """What a person and an agent have said to each other."""

    id: str
    agent: str
    model: str | None = Field(description="Null: that of the agent or of the installation.")
    document_ids: list[str] | None = Field(description="Null: all of the workspace.")
    created_at: str
    updated_at: str = Field(description="When the last message came.")
    expires_at: str = Field(description="When it goes, unless something is said before.")
    messages: list[Exchange] = Field(description="In order.")
    has_earlier: bool = Field(description="There are older ones: `?before=` shows them.")
