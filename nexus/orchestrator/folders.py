"""The folders of a project on this machine: its workspace, its large results, its copies' record."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from nexus.orchestrator.copies import folder_of_copies
from nexus.orchestrator.value_files import folder_of_values
from nexus.tools.sandbox import tree
from nexus.tools.shelf import Shelf

REMEMBERED: Final = 1_000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files of a project are; the workspace folder is there, the others may not be."""

    workspace: Path
    values: Path
    copies: Path


@dataclass(slots=True)
class Folders:
    """The folders of one process: where they are, and which it has made."""

    data: Path
    made: "OrderedDict[str, Places]" = field(default_factory=OrderedDict)  # by project id
    shelf: Shelf = field(default_factory=Shelf)

    async def of(self, workspace: str, project_id: str) -> Places:
        """Say where a project's files are, and see that it has a workspace folder."""
        places = self.made.get(project_id)
        if places is None:
            places = places_of(self.data, workspace, project_id)
            await asyncio.to_thread(places.workspace.mkdir, parents=True, exist_ok=True)
            self.made[project_id] = places
            if len(self.made) > REMEMBERED:
                self.made.popitem(last=False)
        return places


def places_of(data: Path, workspace: str, project_id: str) -> Places:
    """Say where a project's files are on a machine with this data directory."""
    return Places(
        folder_of(data, workspace, project_id),
        folder_of_values(data, workspace, project_id),
        folder_of_copies(data, workspace, project_id),
    )


def folder_of(data: Path, workspace: str, project_id: str) -> Path:
    """Say where a project's workspace folder is on a machine with this data directory."""
    return data / "workspaces" / workspace / project_id


async def remove_folders(data: Path, workspace: str, project_id: str) -> None:
    """Delete the folders of a project that is gone, as far as they are on this machine."""
    places = places_of(data, workspace, project_id)
    for folder in (places.workspace, places.values, places.copies):
        try:
            await asyncio.to_thread(tree.remove, folder)
        except OSError as wrong:
            log.warning("folder.left", project_id=project_id, error=f"{wrong}"[:300])
