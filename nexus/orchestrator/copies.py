"""Which copies of documents lie in which project's folder, so that they go when the document goes.

Beside the workspace folder, where no agent writes, each copy has an empty file named by document,
content and name. Briefing notes copies, deleting and sweeping take them back; all may be repeated.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nexus.tools.shelf import drop

ROOM: Final = "shelves"
DIGEST_LENGTH: Final = 16
LOOKED_AT: Final = 1_000
"""Projects whose folders a deletion looks at by itself; workers see to the rest."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy as it was put into a folder of documents; `digest` is the beginning of its SHA-256."""

    document_id: str
    digest: str
    name: str

    @property
    def file(self) -> str:
        """What the file that stands for it is called."""
        return f"{self.document_id}.{self.digest[:DIGEST_LENGTH]}.{self.name}"


def folder_of_copies(data: Path, workspace: str, project_id: str) -> Path:
    """Say where the copies in a project's folder are written down."""
    return data / ROOM / workspace / project_id


def note(folder: Path, copies: Iterable[Copy]) -> None:
    """Write copies down; those that are written down stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in copies:
        (folder / one.file).touch(mode=0o600)


def read(folder: Path) -> set[Copy]:
    """Read which copies are written down."""
    try:
        names = [one.name for one in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return set()
    parts = (name.split(".", 2) for name in names)
    return {Copy(*part) for part in parts if len(part) == 3}


def are_there(folder: Path) -> bool:
    """Say whether any were ever written down: so quick that no thread need be asked."""
    return folder.exists()


def take_back(folder: Path, workspace_folder: Path, copies: Iterable[Copy]) -> int:
    """Remove copies from a workspace folder; what another has the name of by now stays."""
    gone = set(copies)
    named = {one.name for one in read(folder) - gone}
    for one in gone:
        if one.name not in named:
            drop(workspace_folder, one.name)
        (folder / one.file).unlink(missing_ok=True)
    return len(gone)


def take_back_document(data: Path, workspace: str, document_id: str) -> None:
    """Remove the copies of a deleted document on this machine, of some thousand projects at most."""
    room = data / ROOM / workspace
    with suppress(FileNotFoundError), os.scandir(room) as entries:
        for _, project in zip(range(LOOKED_AT), entries, strict=False):
            folder = Path(project.path)
            copies = [one for one in read(folder) if one.document_id == document_id]
            if copies:
                take_back(folder, data / "workspaces" / workspace / project.name, copies)
