"""The one shape of every error answer: RFC 9457 problem details."""

from pydantic import Field

from nexus.schemas.strictness import Reply


class WrongField(Reply):
    """One thing that is wrong with a request."""

    place: str = Field(description="Where, such as `plan.phases[0].tasks[1].agent`.")
    message: str


class Problem(Reply):
    """What went wrong and what to do about it; never holds what was sent."""

    type: str = Field(description="`urn:nexus:problem:` and the code.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="This one occurrence: `urn:nexus:request:` and the id.")
    code: str = Field(description="Stable, for programs.")
    request_id: str
    errors: list[WrongField] = Field(default_factory=list)
