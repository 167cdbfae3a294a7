"""What a tool may touch: the equipment of this installation and one project's folder.

Built by the worker for each claim of a subtask; tools reach nothing else.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nexus.tools.fetch.fetcher import Fetcher
from nexus.tools.sandbox.contract import Sandbox
from nexus.tools.searcher import Searcher

if TYPE_CHECKING:
    from nexus.memory.store import Memory
    from nexus.tools.guard import Guard


@dataclass(frozen=True, slots=True)
class Equipment:
    """The parts tools work with, shared by all projects."""

    memory: "Memory"
    sandbox: Sandbox
    fetcher: Fetcher
    searcher: Searcher

    async def close(self) -> None:
        """Close the connections of what holds any; memory belongs to whoever made it."""
        await self.fetcher.close()


@dataclass(frozen=True, slots=True)
class ToolScope:
    """Where a tool call happens. `document_ids`: what searches are limited to, None for all.

    `guard` says which calls a person has to allow; without one all may be made.
    """

    workspace: str
    project_id: str
    folder: Path
    document_ids: tuple[str, ...] | None
    equipment: Equipment
    guard: "Guard | None" = None
