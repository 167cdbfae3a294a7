"""Projects as the API takes and shows them."""

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, model_validator

from nexus.domain.plan import Plan
from nexus.schemas.budgets import Budget, BudgetWanted
from nexus.schemas.lists import PageParams
from nexus.schemas.strictness import Params, Reply, Request

MAX_METADATA_CHARACTERS = 16_000

Status = Literal[
    "planning", "planned", "running", "waiting", "paused", "succeeded", "failed", "cancelled"
]
Consent = Literal["none", "unsafe", "outward", "all"]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


def _fits(metadata: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(metadata)) > MAX_METADATA_CHARACTERS:
        raise ValueError(f"metadata holds at most {MAX_METADATA_CHARACTERS:,} characters of JSON")
    return metadata


Metadata = Annotated[
    dict[Annotated[str, StringConstraints(max_length=200)], JsonValue],
    AfterValidator(_fits),
    Field(description="Yours to use: kept and given back, at most 16,000 characters of JSON."),
]


def _not_blank(goal: str) -> str:
    if not goal.strip():
        raise ValueError("a goal needs words")
    return goal


class ProjectCreate(Request):
    """A goal to reach; with a plan it is `planned` at once, else the manager agent plans it."""

    goal: Annotated[
        str, StringConstraints(min_length=1, max_length=20_000), AfterValidator(_not_blank)
    ]
    name: Name | None = Field(None, description="Default: the beginning of the goal.")
    plan: Plan | None = None
    auto_execute: bool = Field(False, description="Go on to run the plan without being asked.")
    model: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = Field(
        None, description="`provider:name`, a comma-separated chain of them, or `offline`."
    )
    document_ids: (
        Annotated[list[Annotated[str, StringConstraints(max_length=40)]], Field(max_length=1_000)]
        | None
    ) = Field(None, description="Which documents are at hand; null: all of the workspace.")
    budget: BudgetWanted | None = Field(
        None, description="What it may spend, planning included; null: no limit."
    )
    approvals: Consent = Field(
        "outward",
        description="What needs a person's approval: nothing; every unsafe tool call; such calls "
        "once a task has read what strangers may have written; every call with an effect, and "
        "the plan.",
    )
    metadata: Metadata = Field(default_factory=dict)


class ProjectEdit(Request):
    """What to change of a project; fields left out stay as they are."""

    name: Name | None = None
    metadata: Metadata | None = None
    budget: BudgetWanted | None = Field(
        None, description="Takes the place of the whole budget; null removes it."
    )


class ProjectListParams(PageParams):
    """Which projects to list."""

    status: Status | None = None
    q: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Words to find in name or goal."
    )


class PlanParams(Params):
    """Which version of a plan."""

    version: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Default: the newest."
    )


class Usage(Reply):
    """What model calls came to."""

    requests: int
    input_tokens: int
    output_tokens: int
    cost_usd: str = Field(description="A decimal number; calls of unknown price count as 0.")


class ProjectUsage(Usage):
    """What a project's model calls came to."""

    unpriced_requests: int = Field(
        description="Calls whose price is unknown: `cost_usd` is short of what they cost."
    )


class Failure(Reply):
    """What went wrong, with which thing, and what to do about it."""

    code: str
    message: str
    task_id: str | None = None
    hint: str | None = None


class Project(Reply):
    """A goal, its run and what it cost."""

    id: str
    name: str
    goal: str
    status: Status
    plan_version: int | None = Field(description="Null while there is no plan.")
    budget: Budget | None
    approvals: Consent = Field(description="What needs a person's approval.")
    usage: ProjectUsage
    error: Failure | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    updated_at: str
    metadata: dict[str, JsonValue]


class Estimate(Reply):
    """What carrying out a plan will roughly take, before it is executed."""

    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: str | None = Field(
        description="A decimal number; null where the model's price is unknown."
    )
    assumptions: list[str] = Field(description="What the figures rest on, a sentence each.")


class PlanShown(Reply):
    """A version of a project's plan."""

    version: int
    plan: Plan
    estimate: Estimate


class PlanEdit(Request):
    """A plan in the place of the present one: alone, or as `GET` shows it."""

    plan: Plan
    version: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="The version it was made from; 412 if that is not the newest."
    )
    estimate: JsonValue = Field(None, description="As it was shown; it is made anew.")

    @model_validator(mode="before")
    @classmethod
    def _alone(cls, given: Any) -> Any:
        """Take a bare plan document for what it is."""
        return {"plan": given} if isinstance(given, dict) and "phases" in given else given


class Replan(Request):
    """What the manager agent is told when it amends a plan."""

    comment: Annotated[
        str | None, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000)
    ] = Field(None, description="What should be different.")


class Started(Reply):
    """A project that has been set in motion; `queued` counts the subtasks that are ready."""

    project_id: str
    status: Status
    queued: int


class Moved(Reply):
    """A project whose state was changed."""

    project_id: str
    status: Status
