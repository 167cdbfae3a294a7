"""A declared agent: what a model-driven agent is, in words instead of code.

Sent with POST /agents or written in a TOML file of the data directory; one shape for both.
"""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_DECLARED: Final = 200
"""Agents a workspace may declare: the manager agent reads of all of them."""

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class AgentPart(BaseModel):
    """Strict base: an unknown field is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class AgentLimits(AgentPart):
    """How far one attempt of the agent may go; the limits of its task and project hold as well."""

    max_model_calls: Annotated[int, Field(ge=1, le=50)] = 50
    max_output_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None


class AgentDeclaration(AgentPart):
    """A model-driven agent, declared without code."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    description: Line
    prompt: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)
    ]
    model: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    tools: list[Annotated[str, StringConstraints(min_length=1, max_length=64)]] = Field(
        default_factory=list, max_length=64
    )
    limits: AgentLimits = Field(default_factory=AgentLimits)
