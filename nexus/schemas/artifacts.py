"""Files that agents made."""

from pydantic import Field

from nexus.schemas.strictness import Reply


class Artifact(Reply):
    """A file that an agent wrote in the project's folder."""

    path: str
    bytes: int
    sha256: str = Field(description="Of its content when it was written.")
    task_id: str | None
    created_at: str
