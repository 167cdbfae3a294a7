"""An agent that is a prompt, a model and tools.

Built-in work agents and declared ones are made of this; it is loaded only when one of them runs.
"""

import asyncio
from dataclasses import dataclass

from pydantic_ai import Agent
from pydantic_ai.settings import ModelSettings

from nexus.agents.context import Context
from nexus.agents.conversation import MAX_REQUESTS, converse
from nexus.agents.instructions import render
from nexus.agents.prompt import is_large, work_prompt
from nexus.agents.retrieval import retrieve
from nexus.agents.toolset import MAX_BAD_CALLS, GrantedTools
from nexus.domain.declared import AgentDeclaration
from nexus.domain.delegation import DELEGATE
from nexus.domain.work import Brief
from nexus.errors import OutputInvalid


@dataclass(frozen=True, slots=True)
class ModelAgent:
    """Runs briefs with its declaration, else the prompt file of its name, and the tools it is granted."""

    name: str
    tools: tuple[str, ...]
    takes_plugin_tools: bool = False
    declaration: AgentDeclaration | None = None

    async def run(self, brief: Brief, context: Context) -> str:
        """Do the task and return its deliverable.

        Raises:
            OutputInvalid: the model's answer is empty.
        """
        from nexus.tools.registry import plugin_tools, tools

        lent = await context.scope.equipment.lent_to(self.name)
        granted = self.tools + (plugin_tools() if self.takes_plugin_tools else ()) + tuple(lent)
        if not context.may_delegate:
            granted = tuple(one for one in granted if one != DELEGATE)
        quotes = await retrieve(brief, context)
        toolsets = [GrantedTools(granted, {**lent, **tools()})] if granted else []
        agent = Agent(
            deps_type=Context,
            output_type=str,
            toolsets=toolsets,
            retries={"tools": MAX_BAD_CALLS, "output": 0},
            model_settings=self._settings(),
        )
        prompt = (
            await asyncio.to_thread(work_prompt, brief, quotes)
            if is_large(brief)
            else work_prompt(brief, quotes)
        )
        text = await converse(
            agent,
            prompt,
            context,
            instructions=self._instructions(granted),
            most_requests=self.declaration.limits.max_model_calls
            if self.declaration
            else MAX_REQUESTS,
        )
        if not text.strip():
            raise OutputInvalid(
                f"the {self.name} agent's model gave an empty answer to task {brief.task.key!r}",
                hint="retry, or use another model",
            )
        return text

    def _instructions(self, granted: tuple[str, ...]) -> str:
        if self.declaration is None:
            return render(self.name, tools=granted)
        # Put together, never rendered: a prompt that somebody sent is no template.
        rules = render("declared", tools=granted)
        return f"You are the {self.name} agent of Nexus.\n\n{self.declaration.prompt}\n\n{rules}"

    def _settings(self) -> ModelSettings | None:
        most = self.declaration.limits.max_output_tokens if self.declaration else None
        return None if most is None else ModelSettings(max_tokens=most)
