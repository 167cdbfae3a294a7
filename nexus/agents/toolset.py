"""The tools an agent is granted, offered to its model; every call passes the seam.

A refused call is an observation the model reads, recorded as such. What is not granted is
not offered, and refused when it is called all the same.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic_ai import RunContext
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets.abstract import AbstractToolset, ToolsetTool
from pydantic_core import SchemaValidator, core_schema

from nexus.agents.context import Context
from nexus.agents.reading import readable
from nexus.agents.tool_call import call_tool
from nexus.domain.delegation import DELEGATE
from nexus.domain.seam import Json
from nexus.errors import Misconfigured, ToolRefused

if TYPE_CHECKING:
    from nexus.tools.registry import ToolSpec

ANY_ARGUMENTS = SchemaValidator(core_schema.any_schema())
"""The tool itself checks its arguments, so that a wrong call is journalled as a refusal."""

MAX_BAD_CALLS = 3


class GrantedTools(AbstractToolset[Context]):
    """Offers the named tools of a registry.

    Raises:
        Misconfigured: a granted tool does not exist.
    """

    def __init__(self, granted: tuple[str, ...], registry: Mapping[str, "ToolSpec"]) -> None:
        unknown = [name for name in granted if name not in registry]
        if unknown:
            raise Misconfigured(
                f"an agent is granted the tool {unknown[0]!r}, which does not exist",
                hint="load the plugin that registers it, or take it from the agent",
            )
        self._specs = {name: registry[name] for name in granted}

    @property
    def id(self) -> str | None:
        return "nexus-tools"

    async def get_tools(self, ctx: RunContext[Context]) -> dict[str, ToolsetTool[Context]]:
        """Describe the granted tools to the model."""
        return {
            name: ToolsetTool(
                toolset=self,
                tool_def=ToolDefinition(
                    name=name,
                    description=_described(spec, ctx.deps),
                    parameters_json_schema=dict(spec.schema),
                ),
                max_retries=MAX_BAD_CALLS,
                args_validator=ANY_ARGUMENTS,
            )
            for name, spec in self._specs.items()
        }

    async def call_tool(
        self,
        name: str,
        tool_args: dict[str, Any],
        ctx: RunContext[Context],
        tool: ToolsetTool[Context],
    ) -> Json:
        """Carry a call out once and return what the model reads of it."""
        if ctx.tool_call_id is None or name not in self._specs:
            raise ToolRefused(f"the tool {name!r} is not granted to this agent")
        place = (ctx.deps.seam, ctx.deps.scope)
        value = await call_tool(self._specs[name], tool_args, ctx.tool_call_id, *place)
        return await readable(name, value, tool_args, ctx.messages)


def _described(spec: "ToolSpec", context: Context) -> str:
    """Describe a tool; to the one that runs code belongs what the sandbox here can run, to
    the one that delegates who is there."""
    if spec.name == DELEGATE:
        team = ", ".join(one.name for one in context.colleagues)
        return f"{spec.description}\n\nAgents: {team}."
    if spec.name != "run_python":
        return spec.description
    return f"{spec.description}\n\n{context.scope.equipment.sandbox.description}"
