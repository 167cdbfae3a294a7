"""Agents, as the API shows them."""

from typing import TYPE_CHECKING

from nexus.schemas.agents import Agent
from nexus.schemas.lists import Page
from nexus.services.workshop import PLANNER, Workshop

if TYPE_CHECKING:
    from nexus.agents.spec import AgentSpec


def list_agents(workshop: Workshop) -> Page[Agent]:
    """List every agent; there are few, so it is one page."""
    return Page(items=[_show(spec) for spec in workshop.agents()], next_cursor=None)


def show_agent(workshop: Workshop, name: str) -> Agent:
    """Show one agent.

    Raises:
        NotFound: there is none of that name.
    """
    return _show(workshop.agent(name))


def _show(spec: "AgentSpec") -> Agent:
    return Agent(
        name=spec.name,
        description=spec.description,
        tools=list(spec.tools),
        builtin=spec.builtin,
        plannable=spec.name != PLANNER,
    )
