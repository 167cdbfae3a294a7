"""Questions to a person, and the answers."""

import json
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from nexus.schemas.lists import PageParams
from nexus.schemas.strictness import Reply, Request

MAX_VALUE_CHARACTERS = 16_000
MAX_ARGUMENT_CHARACTERS = 2_000

ApprovalStatus = Literal["pending", "approved", "rejected", "expired"]
Comment = Annotated[str, StringConstraints(max_length=2_000)]


class ApprovalListParams(PageParams):
    """Which approvals to list."""

    status: ApprovalStatus | None = None
    project_id: Annotated[str, Field(max_length=40)] | None = None


class ApprovalDecide(Request):
    """A person's answer; a `value` is taken as the call's result, and the call is not made."""

    decision: Literal["approve", "reject"]
    comment: Comment | None = Field(None, description="Kept; the agent reads it with a rejection.")
    value: JsonValue = Field(None, description="Only with approve: what the call came to.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.value is not None and self.decision == "reject":
            raise ValueError("a value goes with approve, not with reject")
        if len(json.dumps(self.value)) > MAX_VALUE_CHARACTERS:
            raise ValueError(f"value holds at most {MAX_VALUE_CHARACTERS:,} characters of JSON")
        return self


class AskedCall(Reply):
    """The call a question is about."""

    number: int = Field(description="Its place in the journal of the subtask.")
    kind: str
    name: str
    arguments: str = Field(description="The beginning of their JSON; the journal has all of it.")
    begun_at: str


class ApprovalDecision(Reply):
    """What a person decided."""

    decision: Literal["approve", "reject"]
    comment: str | None
    value: JsonValue
    decided_by: str | None = Field(description="The id of the key.")


class Approval(Reply):
    """A question to a person; what it is about waits until it is decided."""

    id: str
    kind: str
    status: ApprovalStatus
    question: str
    project_id: str | None
    task_id: str | None
    subtask_id: str | None
    call: AskedCall | None
    decision: ApprovalDecision | None
    created_at: str
    decided_at: str | None
    used_at: str | None = Field(description="When the decision took its effect.")
