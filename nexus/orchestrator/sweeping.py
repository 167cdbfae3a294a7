"""Removes what deletions left on this machine: a deletion clears only the disk it happens on.

Called by the pulse now and then, a few folders at a time. Of deleted projects it touches
nothing that was changed within the last hour, and no folder whose project was not deleted by
somebody; of deleted documents it removes the copies from folders of projects that are there.
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
from nexus.orchestrator import copies
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.folders import folder_of, remove_folders

ROOMS: Final = ("workspaces", "results", copies.ROOM)
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
        await self._take_back(engine, places)
        return len(old)

    async def _take_back(self, engine: WorkflowEngine, places: list[Place]) -> None:
        """Remove copies of deleted documents from folders of projects and conversations."""
        known = await asyncio.to_thread(self._copies, places)
        if not known:
            return
        place_ids = sorted({place[1] for place in known})
        document_ids = sorted({one.document_id for found in known.values() for one in found})
        ours, there = await engine.run(lambda turn: _existing(place_ids, document_ids))
        for place, found in known.items():
            gone = [one for one in found if one.document_id not in there]
            if gone and place[1] in ours:
                log.info("copies.swept", workspace=place[0], project_id=place[1], copies=len(gone))
                record = copies.folder_of_copies(self.data, *place)
                folder = folder_of(self.data, *place)
                await asyncio.to_thread(copies.take_back, record, folder, gone)

    def _copies(self, places: list[Place]) -> dict[Place, set[copies.Copy]]:
        found = {place: copies.read(copies.folder_of_copies(self.data, *place)) for place in places}
        return {place: known for place, known in found.items() if known}

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


def _existing(
    place_ids: list[str], document_ids: list[str]
) -> Transaction[tuple[set[str], set[str]]]:
    """Tell which places are of this installation, and which documents there are."""
    ours = yield Query(
        "SELECT id FROM projects WHERE id IN EACH($1) "
        "UNION ALL SELECT id FROM conversations WHERE id IN EACH($1)",
        (place_ids,),
    )
    there = yield Query("SELECT id FROM documents WHERE id IN EACH($1)", (document_ids,))
    return {row[0] for row in ours}, {row[0] for row in there}
