"""Agents as the API shows them."""

from pydantic import Field

from nexus.schemas.strictness import Reply


class Agent(Reply):
    """Something a plan's tasks can be given to."""

    name: str
    description: str
    tools: list[str]
    builtin: bool
    plannable: bool = Field(description="False for the agent that writes plans.")
