"""What an agent is to the engine: a name, a purpose, a way to run, and granted tools."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from nexus.agents.context import Context
from nexus.domain.declared import AgentDeclaration
from nexus.domain.work import Brief

Run = Callable[[Brief, Context], Awaitable[str]]

PLANNER: Final = "manager"
"""The agent that writes plans; no plan may name it."""


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """An agent: its name in plans, what it is for, how it runs, the tools it is granted.

    `declaration` is there when it was declared in words instead of code.
    """

    name: str
    description: str
    run: Run
    tools: tuple[str, ...] = ()
    builtin: bool = False
    declaration: AgentDeclaration | None = None
