"""Files that agents made become artifacts, each with its event."""

from collections.abc import Sequence
from typing import Final

from nexus.domain.seam import MadeFile
from nexus.domain.text import clean
from nexus.models.writing import Many, Transaction
from nexus.orchestrator.turn import Subject, Turn

MadeRow = tuple[Subject, MadeFile]
KEEP: Final = (
    "INSERT INTO artifacts (project_id, path, workspace, task_id, bytes, sha256, created_at) "
    "VALUES ($1, $2, $3, $4, $5, $6, NOW_US()) "
    "ON CONFLICT (project_id, path) DO UPDATE SET task_id = EXCLUDED.task_id, "
    "bytes = EXCLUDED.bytes, sha256 = EXCLUDED.sha256, created_at = EXCLUDED.created_at"
)


def keep_artifacts(turn: Turn, made: Sequence[MadeRow]) -> Transaction[None]:
    """Write down files; one that was there under its path is that of its last writer."""
    yield Many(
        KEEP,
        [
            (about.project_id, clean(file.path), about.workspace, about.task_id, *_facts(file))
            for about, file in made
        ],
    )
    for about, file in made:
        turn.tell(about, "artifact.written", path=clean(file.path), bytes=file.bytes)


def _facts(file: MadeFile) -> tuple[int, str]:
    return (file.bytes, file.sha256)
