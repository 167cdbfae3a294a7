"""An agent that is a prompt, a model and tools.

Built-in work agents and declared ones are made of this; it is loaded only when one of them runs.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic_ai import Agent
from pydantic_ai.settings import ModelSettings

from nexus.agents.context import Context
from nexus.agents.conversation import MAX_REQUESTS, converse
from nexus.agents.instructions import render
from nexus.agents.prompt import Quote, chat_prompt, is_large, work_prompt
from nexus.agents.retrieval import retrieve
from nexus.agents.toolset import MAX_BAD_CALLS, GrantedTools
from nexus.domain.chat import WITHHELD
from nexus.domain.declared import AgentDeclaration
from nexus.domain.delegation import DELEGATE
from nexus.domain.work import Brief
from nexus.errors import OutputInvalid


@dataclass(frozen=True, slots=True)
class ModelAgent:
    """Runs briefs with its declaration, else a prompt file, and the tools it is granted.

    `prompt` names the file, if it is not that of the agent's name; `colleagues` are told of in
    conversations.
    """

    name: str
    tools: tuple[str, ...]
    takes_plugin_tools: bool = False
    declaration: AgentDeclaration | None = None
    prompt: str | None = None
    colleagues: Mapping[str, str] = field(default_factory=dict)

    async def run(self, brief: Brief, context: Context) -> str:
        """Do the task, or answer the message, and return what came of it.

        Raises:
            OutputInvalid: the model's answer is empty.
        """
        from nexus.tools.registry import plugin_tools, tools

        lent = await context.scope.equipment.lent_to(self.name)
        granted = self.tools + (plugin_tools() if self.takes_plugin_tools else ()) + tuple(lent)
        chat = brief.chat
        if chat is not None:
            granted = tuple(name for name in granted if name not in WITHHELD)
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
        text = await converse(
            agent,
            await self._prompt(brief, quotes),
            context,
            instructions=self._instructions(granted, is_chat=chat is not None),
            history=chat.history if chat else (),
            most_requests=self.declaration.limits.max_model_calls
            if self.declaration
            else MAX_REQUESTS,
        )
        if not text.strip():
            raise OutputInvalid(
                f"the {self.name} agent's model gave an empty answer to {_what(brief)}",
                hint="retry, or use another model",
            )
        return text

    async def _prompt(self, brief: Brief, quotes: list[Quote]) -> str:
        if brief.chat:
            return chat_prompt(brief, quotes, self.colleagues)
        if is_large(brief):
            return await asyncio.to_thread(work_prompt, brief, quotes)
        return work_prompt(brief, quotes)

    def _instructions(self, granted: tuple[str, ...], *, is_chat: bool) -> str:
        if self.declaration is None:
            return render(self.prompt or self.name, tools=granted, is_chat=is_chat)
        # Put together, never rendered: a prompt that somebody sent is no template.
        rules = render("declared", tools=granted, is_chat=is_chat)
        return f"You are the {self.name} agent of Nexus.\n\n{self.declaration.prompt}\n\n{rules}"

    def _settings(self) -> ModelSettings | None:
        most = self.declaration.limits.max_output_tokens if self.declaration else None
        return None if most is None else ModelSettings(max_tokens=most)


def _what(brief: Brief) -> str:
    return "the message" if brief.chat is not None else f"task {brief.task.key!r}"
