"""API keys as the API shows them."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from nexus.schemas.lists import PageParams
from nexus.schemas.strictness import Params, Reply, Request

ScopeName = Literal["read", "write", "execute", "approve", "admin"]
WorkspaceName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$"),
    Field(description="Lower-case letters, digits, `-` and `_`."),
]


class KeyCreate(Request):
    """A key to make."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    scopes: Annotated[list[ScopeName], Field(min_length=1, max_length=5)] = Field(
        ["read", "write", "execute", "approve"],
        description="What the key may do; `admin` is about keys and implies nothing else.",
    )
    workspace: WorkspaceName | None = Field(
        None, description="Only an admin key of the workspace `default` may name another one."
    )
    expires_in_seconds: Annotated[int, Field(ge=1, le=315_360_000)] | None = Field(
        None, description="Null: never."
    )


class KeyParams(Params):
    """Which workspace's key."""

    workspace: WorkspaceName | None = None


class KeyListParams(PageParams):
    """Which keys to list."""

    workspace: WorkspaceName | None = None


class Key(Reply):
    """A key; its text is never shown again."""

    id: str
    workspace: str
    name: str
    prefix: str = Field(description="How the key begins.")
    scopes: list[str]
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class KeyMade(Key):
    """A key just made."""

    key: str = Field(description="The key itself: shown this once.")
