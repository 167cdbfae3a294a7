"""/agents: who a plan's tasks can be given to."""

from fastapi import APIRouter

from nexus.routers.access import Agents, Reader
from nexus.schemas.agents import Agent
from nexus.schemas.lists import Page
from nexus.services.agents import list_agents, show_agent

router = APIRouter(tags=["agents"])


@router.get("/agents")
@router.get("/agents/", include_in_schema=False)
async def agents(caller: Reader, workshop: Agents) -> Page[Agent]:
    """List the agents, built-in ones first."""
    return list_agents(workshop)


@router.get("/agents/{name}")
async def agent(caller: Reader, workshop: Agents, name: str) -> Agent:
    """Show an agent."""
    return show_agent(workshop, name)
