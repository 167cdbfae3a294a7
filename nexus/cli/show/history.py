"""A project's events as lines of JSON, from the first to the end of the project.

For `nexus projects watch --json`; what people see is drawn by `nexus.cli.show.follow`.
"""

import time
from typing import TYPE_CHECKING

from nexus.cli.screen import emit_line
from nexus.cli.show.board import ENDED
from nexus.cli.show.follow import EMPTY_STREAM_SECONDS

if TYPE_CHECKING:
    from nexus.cli.api.client import ApiClient


def write_history(client: "ApiClient", project_id: str) -> str:
    """Write every event once, as it comes, until the project has ended; return its state."""
    seen = 0
    while True:
        before = seen
        for event in client.events(project_id, seen):
            seen = event["seq"]
            emit_line(event)
        if seen > before:
            continue
        # A stream that has nothing new: the project has ended, or the server is about to.
        progress = client.get(f"/projects/{project_id}/progress", detail="phases")
        status: str = progress["status"]
        if status in ENDED and progress["last_event_seq"] <= seen:
            return status
        time.sleep(EMPTY_STREAM_SECONDS)
