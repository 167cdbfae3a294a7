"""Events of a project as the API shows them."""

from typing import Annotated, Self

from pydantic import BaseModel, Field, JsonValue, model_validator

from nexus.schemas.strictness import Params, Reply

MAX_SEQ = 2**63 - 1


class EventParams(Params):
    """From where to read; with `Accept: text/event-stream` `limit` has no meaning."""

    after: Annotated[int, Field(ge=0, le=MAX_SEQ)] | None = Field(
        None, description="The last event already seen; the answer begins with the next one."
    )
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,18}$")] | None = Field(
        None, description="The `next_cursor` of the page before: the same as `after`."
    )
    limit: Annotated[int, Field(ge=1, le=1_000)] = 200
    deltas: bool = Field(
        True,
        description="In a stream: also send what models write, while they write it (`model.delta`).",
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if None not in (self.after, self.cursor) and self.after != self.begins_after:
            raise ValueError("after and cursor name different events: send one of them")
        return self

    @property
    def begins_after(self) -> int:
        """The last event already seen; 0 for none."""
        return int(self.cursor) if self.cursor is not None else self.after or 0


class EventHeaders(BaseModel):
    """What decides between a page and a stream, and where a stream goes on."""

    accept: Annotated[str, Field(max_length=1_000)] = "*/*"
    last_event_id: Annotated[str, Field(pattern=r"^[0-9]{1,18}$")] | None = None


class Event(Reply):
    """One line of a project's history; `seq` counts from 1 without gaps."""

    seq: int
    type: str
    at: str
    project_id: str
    task_id: str | None
    subtask_id: str | None
    attempt: int | None
    data: dict[str, JsonValue]


class EventPage(Reply):
    """A page of events, oldest first; send `next_cursor` as `cursor` for the next page."""

    items: list[Event]
    next_cursor: str | None
