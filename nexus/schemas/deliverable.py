"""What a project hands over."""

from nexus.schemas.projects import Failure, Status
from nexus.schemas.strictness import Reply


class Part(Reply):
    """The output of one task that nothing else depends on."""

    task_id: str
    key: str
    title: str
    agent: str
    content: str


class Missing(Reply):
    """A task that delivered nothing."""

    task_id: str
    key: str
    title: str
    status: str
    error: Failure | None


class Deliverable(Reply):
    """The outputs of the tasks that nothing depends on, in plan order, and what is missing."""

    project_id: str
    title: str
    status: Status
    markdown: str
    parts: list[Part]
    missing: list[Missing]
