"""Removes what deleted projects left on this machine: a deletion clears only the disk it happens on.

Called by the pulse now and then, a few folders at a time. Touches nothing that was changed
within the last hour, and no folder whose project was not deleted by somebody.
"""

import asyncio
import heapq
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from nexus.models.writing import Query, Transaction
from nexus.orchestrator.briefing import remove_folders
from nexus.orchestrator.engine import WorkflowEngine

ROOMS: Final = ("workspaces", "results")
LOOKED_AT: Final = 500
REMOVED: Final = 20
YOUNG_SECONDS: Final = 3_600.0

log = structlog.get_logger()

Place = tuple[str, str]
"""A workspace and a project's id, as their folders are named."""


@dataclass(slots=True)
class Sweep:
    """Goes round the folders of one data directory; `after` is where the last look ended."""

    data: Path
    after: Place = ("", "")

    async def go_on(self, engine: WorkflowEngine) -> int:
        """Look at the next folders and remove what deleted projects left; return how many went."""
        places = await asyncio.to_thread(self._next)
        if not places:
            self.after = ("", "")
            return 0
        self.after = places[-1]
        deleted = await engine.run(lambda turn: _deleted([place[1] for place in places]))
        gone = [place for place in places if place in deleted]
        old = (await asyncio.to_thread(self._old, gone))[:REMOVED]
        for workspace, project_id in old:
            log.info("folder.swept", workspace=workspace, project_id=project_id)
            await remove_folders(self.data, workspace, project_id)
        return len(old)

    def _next(self) -> list[Place]:
        found = {
            (workspace.name, project.name)
            for room in ROOMS
            for workspace in _folders(self.data / room)
            for project in _folders(Path(workspace.path))
            if (workspace.name, project.name) > self.after
        }
        return heapq.nsmallest(LOOKED_AT, found)

    def _old(self, places: list[Place]) -> list[Place]:
        since = time.time() - YOUNG_SECONDS
        return [place for place in places if self._changed_at(place) < since]

    def _changed_at(self, place: Place) -> float:
        folders = [self.data.joinpath(room, *place) for room in ROOMS]
        return max((one.lstat().st_mtime for one in folders if one.is_dir()), default=0.0)


def _folders(folder: Path) -> Iterator["os.DirEntry[str]"]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        yield from (one for one in entries if one.is_dir(follow_symlinks=False))


def _deleted(project_ids: list[str]) -> Transaction[set[Place]]:
    rows = yield Query(
        "SELECT workspace, id FROM deleted_projects WHERE id IN EACH($1)", (project_ids,)
    )
    return {(row[0], row[1]) for row in rows}
