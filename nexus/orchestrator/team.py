"""The agents a workspace has declared, as plans are checked and workers look for them.

The agents of the installation go before them; only what those do not answer is asked here.
"""

from collections.abc import Set
from typing import Final

from sqlalchemy import select

from nexus.agents.declared import spec_of
from nexus.agents.roster import roster
from nexus.agents.spec import AgentSpec
from nexus.domain.declared import MAX_DECLARED, AgentDeclaration
from nexus.domain.graph import Graph, compile_plan
from nexus.domain.plan import Plan
from nexus.models.database import Database
from nexus.models.work import DeclaredAgent
from nexus.models.writing import Query, Transaction

KNOWN: Final = "SELECT name FROM agents WHERE workspace = $1 AND name IN EACH($2)"


def compile_for(workspace: str, plan: Plan, agents: frozenset[str]) -> Transaction[Graph]:
    """Compile a plan for a workspace; `agents` are those of the installation.

    Raises:
        InvalidInput: it cannot run; with the place of every problem.
    """
    named = {task.agent for _, _, task in plan.tasks()}
    unknown = yield from unknown_agents(workspace, named, agents)
    return compile_plan(plan, agents | named.difference(unknown))


def unknown_agents(
    workspace: str, named: Set[str], agents: frozenset[str]
) -> Transaction[list[str]]:
    """List the names that are neither of `agents` nor of an agent the workspace has declared."""
    others = sorted(named - agents)
    if not others:
        return []
    rows = yield Query(KNOWN, (workspace, others))
    known = {row[0] for row in rows}
    return [name for name in others if name not in known]


def is_model_driven(name: str) -> bool:
    """Tell whether an agent is a prompt and a model: built in, or declared here or by a workspace."""
    spec = roster().get(name)
    return spec is None or spec.builtin or spec.declaration is not None


async def find_member(database: Database, workspace: str, name: str) -> AgentSpec | None:
    """Find an agent that the workspace has declared."""
    async with database.read() as session:
        document = await session.scalar(
            select(DeclaredAgent.document).where(
                DeclaredAgent.workspace == workspace, DeclaredAgent.name == name
            )
        )
    return None if document is None else spec_of(AgentDeclaration.model_validate(document))


async def read_team(database: Database, workspace: str) -> tuple[AgentSpec, ...]:
    """Read every agent that the workspace has declared, by name."""
    async with database.read() as session:
        rows = await session.scalars(
            select(DeclaredAgent.document)
            .where(DeclaredAgent.workspace == workspace)
            .order_by(DeclaredAgent.name)
            .limit(MAX_DECLARED)
        )
        return tuple(spec_of(AgentDeclaration.model_validate(document)) for document in rows)
