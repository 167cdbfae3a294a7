"""Pages of a list."""

from typing import Annotated, Generic, TypeVar

from pydantic import Field

from nexus.schemas.strictness import Params, Reply

Item = TypeVar("Item")

Limit = Annotated[int, Field(ge=1, le=200, description="How many items a page holds.")]


class Page(Reply, Generic[Item]):
    """One page; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None = Field(None, description="Send it as `cursor` for the next page.")


class PageParams(Params):
    """Which page of a list."""

    limit: Limit = 50
    cursor: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="The `next_cursor` of the page before."
    )
