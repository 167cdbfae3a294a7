"""Notes that agents keep for their project: beside the documents, one collection a project.

What is kept apart cannot be found from elsewhere: no other project's search asks for it.
"""

import hashlib
from typing import TYPE_CHECKING, Final

from nexus.memory.passages import Passage, SourceDocument

if TYPE_CHECKING:
    from nexus.memory.store import Memory

PREFIX: Final = "note_"


class Notes:
    """The notes of one project."""

    def __init__(self, memory: "Memory", workspace: str, project_id: str) -> None:
        self._memory = memory
        self._place = f"{workspace}\0{project_id}"  # no workspace has a NUL in its name

    async def save(self, text: str, title: str) -> str:
        """Keep a note and return its id; the same one is kept once.

        Raises:
            ServiceMissing: Chroma is out of reach.
            TransientFailure: Chroma failed.
        """
        content = text.encode("utf-8", "replace")
        digest = hashlib.sha256(f"{title}\0".encode("utf-8", "replace") + content).hexdigest()
        note = SourceDocument(f"{PREFIX}{digest[:26]}", title, "text/plain", content)
        await self._memory.add(self._place, note)
        return note.id

    async def search(self, query: str) -> list[Passage]:
        """Find the notes closest to a question; raises as `Memory.search` does."""
        return await self._memory.search(self._place, query)

    async def forget(self) -> None:
        """Remove them all; raises as `Memory.search` does."""
        await self._memory.drop(self._place)
