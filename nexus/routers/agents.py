"""/agents: who a plan's tasks can be given to, and agents of the workspace's own."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from nexus.domain.declared import AgentDeclaration
from nexus.routers.access import Agents, Author, IdempotencyKey, Opened, Reader, once
from nexus.routers.answers import send_answer
from nexus.schemas.agents import Agent, AgentListParams
from nexus.schemas.lists import Page
from nexus.services.agents import declare_agent, list_agents, remove_agent, show_agent
from nexus.services.idempotency import fingerprint_of

router = APIRouter(tags=["agents"])


@router.get("/agents")
@router.get("/agents/", include_in_schema=False)
async def agents(
    caller: Reader, parts: Opened, workshop: Agents, page: Annotated[AgentListParams, Query()]
) -> Page[Agent]:
    """List the agents, built-in ones first."""
    return await list_agents(parts.database, workshop, caller, page)


@router.post("/agents", status_code=201, response_model=Agent)
@router.post("/agents/", status_code=201, response_model=Agent, include_in_schema=False)
async def make_agent(
    request: Request,
    caller: Author,
    parts: Opened,
    workshop: Agents,
    wanted: AgentDeclaration,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Declare an agent; plans of the workspace may name it at once, on every worker."""
    promise = once(request, caller, idempotency_key, fingerprint_of(wanted.model_dump_json()))
    answer = await declare_agent(parts.database, workshop, caller, wanted, promise)
    return send_answer(answer)


@router.get("/agents/{name}")
async def agent(caller: Reader, parts: Opened, workshop: Agents, name: str) -> Agent:
    """Show an agent."""
    return await show_agent(parts.database, workshop, caller, name)


@router.delete("/agents/{name}", status_code=204)
async def drop_agent(caller: Author, parts: Opened, name: str) -> None:
    """Remove an agent that the workspace has declared."""
    await remove_agent(parts.database, caller, name)
