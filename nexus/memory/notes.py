"""Notes that agents keep for their project: on a shelf of their own, found by that project alone."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nexus.memory.catalogue import NewEntry
from nexus.memory.passages import NOTES, Passage, Where

if TYPE_CHECKING:
    from nexus.memory.store import Memory

PREFIX: Final = "note_"


@dataclass(frozen=True, slots=True)
class Notes:
    """The notes of one project."""

    memory: "Memory"
    workspace: str
    project_id: str

    async def save(self, text: str, title: str) -> str:
        """Keep a note and return its id; the same one is kept once.

        Raises:
            ServiceMissing: Chroma or the database is out of reach.
            TransientFailure: Chroma failed.
        """
        content = text.encode("utf-8", "replace")
        told = f"{self.workspace}\0{self.project_id}\0{title}\0".encode("utf-8", "replace")
        note_id = f"{PREFIX}{hashlib.sha256(told + content).hexdigest()[:26]}"
        await self.memory.keep(
            NewEntry(
                note_id,
                self.workspace,
                NOTES,
                self.project_id,
                title,
                "text/plain",
                content,
                hashlib.sha256(content).hexdigest(),
            )
        )
        return note_id

    async def search(self, query: str) -> tuple[Passage, ...]:
        """Find the notes that fit a question; raises as `Memory.search` does."""
        where = Where(self.workspace, NOTES, project_id=self.project_id)
        return (await self.memory.search(where, query)).passages
