"""What a tool may touch: the equipment of this installation and one project's folder.

Built by the worker for each claim of a subtask; tools reach nothing else.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nexus.domain.seam import MadeFile
from nexus.tools.fetch.fetcher import Fetcher
from nexus.tools.sandbox.contract import Sandbox
from nexus.tools.searcher import Searcher

if TYPE_CHECKING:
    from nexus.memory.store import Memory


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

    Tools add the files they write to `made`, which is of one call.
    """

    workspace: str
    project_id: str
    folder: Path
    document_ids: tuple[str, ...] | None
    equipment: Equipment
    made: list[MadeFile] = field(default_factory=list)
