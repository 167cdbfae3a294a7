"""An agent that is a prompt, a model and tools.

Built-in work agents are made of this; it is loaded only when one of them runs.
"""

from dataclasses import dataclass

from pydantic_ai import Agent

from nexus.agents.context import Context
from nexus.agents.conversation import converse
from nexus.agents.instructions import render
from nexus.agents.prompt import work_prompt
from nexus.agents.retrieval import retrieve
from nexus.agents.toolset import MAX_BAD_CALLS, GrantedTools
from nexus.domain.work import Brief
from nexus.errors import OutputInvalid


@dataclass(frozen=True, slots=True)
class ModelAgent:
    """Runs briefs with the prompt file of its name and the tools it is granted."""

    name: str
    tools: tuple[str, ...]
    takes_plugin_tools: bool = False

    async def run(self, brief: Brief, context: Context) -> str:
        """Do the task and return its deliverable.

        Raises:
            OutputInvalid: the model's answer is empty.
        """
        from nexus.tools.registry import plugin_tools, tools

        lent = await context.scope.equipment.lent_to(self.name)
        granted = self.tools + (plugin_tools() if self.takes_plugin_tools else ()) + tuple(lent)
        quotes = await retrieve(brief, context)
        toolsets = [GrantedTools(granted, {**lent, **tools()})] if granted else []
        agent = Agent(
            deps_type=Context,
            output_type=str,
            toolsets=toolsets,
            retries={"tools": MAX_BAD_CALLS, "output": 0},
        )
        text = await converse(
            agent,
            work_prompt(brief, quotes),
            context,
            instructions=render(self.name, tools=granted),
        )
        if not text.strip():
            raise OutputInvalid(
                f"the {self.name} agent's model gave an empty answer to task {brief.task.key!r}",
                hint="retry, or use another model",
            )
        return text
