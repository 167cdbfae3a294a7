"""Words of a reply that is still being written: what one message of them holds, and whose they are.

Said by workers, heard by streams of the API; never part of a project's history.
"""

from dataclasses import dataclass
from typing import Final

DELTA: Final = "model.delta"
DELTA_FIELDS: Final = ("call", "offset", "text")


@dataclass(frozen=True, slots=True)
class Speaker:
    """The run whose model writes; outside of a project it has a subtask alone."""

    project_id: str | None
    task_id: str | None
    subtask_id: str
    attempt: int

    @property
    def is_awaited(self) -> bool:
        """Tell whether a person waits for every word: outside of a project somebody spoke to it."""
        return not self.project_id

    @property
    def topics(self) -> tuple[str, ...]:
        """Where its words can be heard: at its project and at its subtask."""
        return (self.project_id, self.subtask_id) if self.project_id else (self.subtask_id,)
