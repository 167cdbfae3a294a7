"""Agents: list and show all there are, declare and remove those of a workspace."""

import json
from typing import TYPE_CHECKING

from nexus.domain.declared import MAX_DECLARED, AgentDeclaration
from nexus.domain.text import dumps
from nexus.errors import Conflict, InvalidInput, NotFound
from nexus.models.database import Database
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.team import find_member, read_team
from nexus.schemas.agents import Agent
from nexus.schemas.lists import Page, PageParams
from nexus.services.caller import Caller
from nexus.services.cursors import Cursor
from nexus.services.idempotency import Answer, Once
from nexus.services.workshop import PLANNER, Workshop

if TYPE_CHECKING:
    from nexus.agents.spec import AgentSpec


async def list_agents(
    database: Database, workshop: Workshop, caller: Caller, page: PageParams
) -> Page[Agent]:
    """List the agents: those of the installation, then those of the workspace."""
    at = Cursor.read(page.cursor)
    hidden = workshop.usable_agents()
    team = [one for one in await read_team(database, caller.workspace) if one.name not in hidden]
    shown = [_show(spec) for spec in workshop.agents()] + [_show(spec, own=True) for spec in team]
    begin = _place_after(at, shown) if at else 0
    end = begin + page.limit
    following = Cursor(end - 1, shown[end - 1].name).write() if end < len(shown) else None
    return Page(items=shown[begin:end], next_cursor=following)


def _place_after(at: Cursor, shown: list[Agent]) -> int:
    """Find where a page begins; where the agent it comes after is gone, the next has its place."""
    names = [one.name for one in shown]
    return names.index(at.id) + 1 if at.id in names else at.number


async def show_agent(database: Database, workshop: Workshop, caller: Caller, name: str) -> Agent:
    """Show one agent.

    Raises:
        NotFound: there is none of that name.
    """
    found = workshop.find(name)
    if found is not None:
        return _show(found)
    member = await find_member(database, caller.workspace, name)
    if member is None:
        raise NotFound("there is no such agent", hint="GET /agents lists them")
    return _show(member, own=True)


async def declare_agent(
    database: Database, workshop: Workshop, caller: Caller, wanted: AgentDeclaration, once: Once
) -> Answer:
    """Make an agent of the workspace; every worker has it from now on.

    Raises:
        InvalidInput: its name is the installation's, a tool or the model does not exist.
        Conflict: the workspace has an agent of that name, or as many as it may have.
    """
    faults = workshop.find_faults(wanted)
    if faults:
        raise InvalidInput(
            "the agent cannot be declared so",
            hint="GET /agents lists the names that are taken and the tools of other agents",
            problems=faults[:20],
        )
    if wanted.model is not None:
        workshop.check_model(wanted.model)
    document = dumps(wanted.model_dump())
    shown = workshop.build(AgentDeclaration.model_validate(json.loads(document)))

    def act() -> Transaction[Answer]:
        rows = yield Query("SELECT COUNT(*) FROM agents WHERE workspace = $1", (caller.workspace,))
        if rows[0][0] >= MAX_DECLARED:
            raise Conflict(
                f"the workspace has {MAX_DECLARED} agents already",
                code="too_many_agents",
                hint="remove those that nobody uses with DELETE /agents/{name}",
            )
        made = yield Query(
            "INSERT INTO agents (workspace, name, document, created_at)"
            " VALUES ($1, $2, $3, NOW_US()) ON CONFLICT DO NOTHING RETURNING name",
            (caller.workspace, wanted.name, document),
        )
        if not made:
            raise Conflict(
                f"the workspace has an agent named {wanted.name} already",
                code="agent_exists",
                hint="choose another name, or DELETE the agent first",
            )
        answer = _show(shown, own=True).model_dump_json()
        return Answer(201, answer, f"/agents/{wanted.name}")

    return await database.run(lambda: once.wrap(act))


async def remove_agent(database: Database, caller: Caller, name: str) -> None:
    """Remove an agent of the workspace; tasks that still name it fail and say so.

    Raises:
        NotFound: the workspace has declared no such agent.
    """

    def act() -> Transaction[bool]:
        rows = yield Query(
            "DELETE FROM agents WHERE workspace = $1 AND name = $2 RETURNING name",
            (caller.workspace, name),
        )
        return bool(rows)

    if not await database.run(act):
        raise NotFound(
            "the workspace has declared no such agent", hint="in GET /agents they are `own`"
        )


def _show(spec: "AgentSpec", *, own: bool = False) -> Agent:
    declared = spec.declaration
    return Agent(
        name=spec.name,
        description=spec.description,
        tools=list(spec.tools),
        builtin=spec.builtin,
        plannable=spec.name != PLANNER,
        own=own,
        model=declared.model if declared else None,
        prompt=declared.prompt if declared and own else None,
        limits=declared.limits if declared else None,
    )
