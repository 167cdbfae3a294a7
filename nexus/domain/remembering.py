"""Memories as plain values: their kinds, whom they may be trusted like, what they came from."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from nexus.domain.seam import Json

MOST_BYTES: Final = 8_000
"""Of a memory's text."""
MOST_SOURCES: Final = 20


class MemoryKind(StrEnum):
    """What a memory is."""

    OUTPUT = "output"
    DECISION = "decision"
    FACT = "fact"
    NOTE = "note"


class Trust(StrEnum):
    """The least trusted of what a memory came from: the further down, the less."""

    USER = "user"
    AGENT = "agent"
    WEB = "web"


class MemoryState(StrEnum):
    """Only what is active is found by searches."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"
    FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True)
class MemorySource:
    """One origin of a memory: the work it is of, and what that work had read."""

    project_id: str
    project: str
    task_id: str | None = None
    task: str | None = None
    subtask_id: str | None = None
    document_ids: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    def document(self) -> dict[str, Json]:
        """Write it as it is kept and shown."""
        return asdict(self)


def least(trusts: Iterable[str]) -> Trust:
    """Return the least trusted of several."""
    order = list(Trust)
    return max((Trust(one) for one in trusts), key=order.index)


def digest_of(*parts: str) -> str:
    """Hash parts, which keep their borders."""
    told = "\0".join(part.replace("\0", "") for part in parts)
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()
