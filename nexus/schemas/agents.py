"""Agents as the API shows them."""

from pydantic import Field

from nexus.domain.declared import AgentLimits
from nexus.schemas.lists import Limit, PageParams
from nexus.schemas.strictness import Reply


class AgentListParams(PageParams):
    """Which page of the agents; unless asked for less, there is rarely more than one."""

    limit: Limit = 200


class Agent(Reply):
    """Something a plan's tasks can be given to."""

    name: str
    description: str
    tools: list[str]
    builtin: bool
    plannable: bool = Field(description="False for the agent that writes plans.")
    own: bool = Field(description="True for agents that the workspace has declared itself.")
    model: str | None = Field(description="Null: the model of the project.")
    prompt: str | None = Field(description="Null for agents that the workspace did not declare.")
    limits: AgentLimits | None = Field(description="Null for agents that are not declared.")
