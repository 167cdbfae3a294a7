"""Who is calling: the workspace and scopes a verified key gives. Nothing else decides them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from nexus.errors import Forbidden

DEFAULT_WORKSPACE: Final = "default"


class Scope(StrEnum):
    """What a key may do; `admin` is about keys alone and implies none of the others."""

    READ = "read"
    WRITE = "write"
    EXECUTE = "execute"
    APPROVE = "approve"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified key: `expires_at` is in microseconds since 1970, None for never."""

    key_id: str
    workspace: str
    scopes: frozenset[str]
    expires_at: int | None

    def require(self, scope: Scope) -> None:
        """Refuse the call when the key lacks `scope`.

        Raises:
            Forbidden: it does.
        """
        if scope not in self.scopes:
            raise Forbidden(
                f"this key may not {scope}",
                code="missing_scope",
                hint=f"use a key with the scope {scope}",
            )
