"""What a project hands over."""

from pydantic import Field

from nexus.schemas.projects import Failure, Status
from nexus.schemas.strictness import Reply


class Part(Reply):
    """An output that nothing further was made of."""

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


class Cited(Reply):
    """A passage or page that the parts cite by its mark, and `markdown` by its number."""

    number: int
    mark: str = Field(description="As parts carry it in brackets, such as p1a2b3c4d.")
    title: str
    locator: str
    document_id: str | None = Field(description="The document, note or memory it is a passage of.")
    passage_id: str | None
    url: str | None = Field(description="Of a page.")


class Deliverable(Reply):
    """The outputs that nothing further was made of, in plan order, and what is missing.

    `lost` lists marks without a source: nobody was shown one, or the result that may have it is
    on another machine.
    """

    project_id: str
    title: str
    status: Status
    markdown: str
    parts: list[Part]
    missing: list[Missing]
    sources: list[Cited]
    lost: list[str]
