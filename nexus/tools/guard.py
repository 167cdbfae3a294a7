"""Says which tool calls of one task a person has to allow, whatever its model wants.

Models do what they read. So it counts where an address comes from and whether a task has
read what strangers may have written, not what the model says. One for each run of a
subtask; replay feeds it again with the recorded results.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from nexus.domain.consent import Ask, AskKind, Policy
from nexus.domain.seam import Effect, Json
from nexus.errors import ToolRefused
from nexus.tools.addresses import Addresses
from nexus.tools.spec import Caution, ToolSpec

MAX_SHOWN: Final = 300


class Guard:
    """Judges calls before they are made, and learns from what they come to.

    Args:
        policy: the project's.
        is_tainted: the task was given documents, or outputs of other tasks.
        trust: reads what people have said: goal, instructions they wrote, answers.
        is_anyone_asked: a call that a person would have to allow waits for them; otherwise,
            in a conversation, it is refused.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        is_tainted: bool,
        trust: Callable[[], Awaitable[str]],
        is_anyone_asked: bool = True,
    ) -> None:
        self._policy = policy
        self._is_tainted = is_tainted
        self._trust = trust
        self._is_anyone_asked = is_anyone_asked
        self._addresses = Addresses()
        self._knows_people = False

    async def judge(self, tool: ToolSpec, arguments: Mapping[str, Json]) -> Ask | None:
        """Say what a person is asked before this call; None: it may be made.

        Raises:
            ToolRefused: it would need a person where nobody is to be asked.
        """
        ask = await self._judge(tool, arguments)
        if ask is not None and not self._is_anyone_asked:
            raise ToolRefused(
                f"{tool.name} was not called: a person would have to allow it first, and in a "
                "conversation nobody is asked. Say so; in a project it can be approved"
            )
        return ask

    async def _judge(self, tool: ToolSpec, arguments: Mapping[str, Json]) -> Ask | None:
        if tool.caution is Caution.ASKS:
            return self._question(tool, arguments)
        if self._policy is Policy.NONE:
            return None
        address = arguments.get("url") if tool.caution is Caution.OUTSIDE else None
        if isinstance(address, str) and not await self._knows(address):
            return Ask(
                AskKind.TOOL_CALL,
                f"May {tool.name} open {address[:MAX_SHOWN]}? The address comes neither from "
                "you nor from a search, nor from a page that was read: data can leave with it.",
            )
        if self._needs_permission(tool):
            why = "It has effects outside." if tool.effect is Effect.UNSAFE else "It is marked so."
            return Ask(AskKind.TOOL_CALL, f"May the agent call {tool.name}? {why}")
        return None

    def learn(self, tool: ToolSpec, value: Json) -> None:
        """Take in what a call came to."""
        if tool.caution in (Caution.OUTSIDE, Caution.STORED):
            self._is_tainted = True
        if tool.caution is Caution.OUTSIDE:
            self._addresses.add_found(value)

    def distrust(self) -> None:
        """Take in that the task has read what other agents found: strangers may have written it."""
        self._is_tainted = True

    def _question(self, tool: ToolSpec, arguments: Mapping[str, Json]) -> Ask:
        if self._policy is Policy.NONE:
            raise ToolRefused(
                f"{tool.name}: nobody is to be asked in this project; decide yourself, say so "
                "in your answer, and go on"
            )
        tool.check(arguments)
        return Ask(AskKind.QUESTION, str(arguments.get("question", ""))[:4_000])

    def _needs_permission(self, tool: ToolSpec) -> bool:
        if tool.caution is Caution.MARKED:
            return True
        if self._policy is Policy.ALL:
            return tool.effect is not Effect.READ or tool.caution is Caution.OUTSIDE
        is_unsafe = tool.effect is Effect.UNSAFE
        return is_unsafe and (self._policy is Policy.UNSAFE or self._is_tainted)

    async def _knows(self, address: str) -> bool:
        if self._addresses.knows(address):
            return True
        if not self._knows_people:
            self._addresses.add_said(await self._trust())
            self._knows_people = True
        return self._addresses.knows(address)
