"""What an agent can use while it works: journalled steps, models, tools and their scope.

Made by the worker for one claim of one subtask; agents never see the database or the queue.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar, overload

from nexus.agents.canonical import as_json, fingerprint
from nexus.domain.seam import Call, CallKind, Json, Recorded, Seam
from nexus.errors import PermanentFailure

if TYPE_CHECKING:
    from nexus.agents.spec import AgentSpec
    from nexus.llm.book import ModelBook
    from nexus.tools.scope import ToolScope

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """Where an agent works: its subtask, the seam its calls pass, and what it may use.

    `model` is the model the project asks for, None for the installation's default; `attempt`
    counts from 1; `colleagues` are told to the model: to the planner the agents the
    workspace has declared, to others those of the installation that parts may name.
    `may_delegate` tells whether this subtask may: the work of a task may, its parts may not.
    """

    workspace: str
    project_id: str | None
    task_id: str | None
    subtask_id: str
    attempt: int
    model: str | None
    seam: Seam
    scope: "ToolScope"
    models: "ModelBook"
    colleagues: "tuple[AgentSpec, ...]" = ()
    may_delegate: bool = False

    @overload
    async def step(
        self, name: str, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T: ...

    @overload
    async def step(
        self, name: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T: ...

    async def step(
        self, name: str, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs
    ) -> object:
        """Run `function` once and for ever: later attempts get the recorded result.

        The result comes back as JSON gives it: a tuple as a list, keys as text.
        A step is known by its name, its arguments and how often the two were met before.
        A plain function runs in a thread, a coroutine function in the event loop.

        Raises:
            PermanentFailure: an argument or the result is not JSON.
        """
        given = as_json([list(args), dict(kwargs)], f"an argument of step {name!r}")

        async def run(_: str) -> Recorded:
            result = await _run(function, *args, **kwargs)
            return Recorded(as_json(result, f"the result of step {name!r}"))

        call = Call(CallKind.STEP, name, name, fingerprint(given), request=given)
        return await self.seam.call(call, run)

    async def delegate(self, parts: Sequence[str | Mapping[str, object]]) -> list[dict[str, Json]]:
        """Have parts of the task done by agents at the same time, and go on when all have ended.

        A part is a mapping of `instructions`, `agent` (left out: this one) and `title`, or
        just its instructions. The call is known by its parts and how often they were met
        before; later attempts get its result. Meanwhile the subtask gives its slot away: the
        agent is run anew from its journal when the parts are done.

        Returns:
            For each part, in order, its `title`, `agent`, `status` (succeeded, failed or
            cancelled) and `output`, or `error` with `code`, `message` and `hint`.

        Raises:
            InvalidInput: the parts are wrong, or this is a part itself; nothing has begun.
        """
        from nexus.agents.delegating import delegate

        return await delegate(parts, self)

    async def call_tool(self, tool: str, /, **arguments: Json) -> Json:
        """Call a tool once and for ever, as a model-driven agent would; later attempts get its result.

        It is known by its name, its arguments and how often the two were met before; what
        becomes of an interrupted call is for the effect that the tool declares. A person's
        retry changes neither; only a refusal is not kept.

        Returns:
            The tool's value, or `{"error": reason}` where the tool refuses.

        Raises:
            PermanentFailure: there is no such tool.
        """
        from nexus.agents.tool_call import call_tool
        from nexus.tools.registry import tools

        spec = tools().get(tool)
        if spec is None:
            spec = (await self.scope.equipment.lent_to(self.scope.agent)).get(tool)
        if spec is None:
            raise PermanentFailure(
                f"there is no tool named {tool!r}",
                code="unknown_tool",
                hint="load the plugin that registers it, or let mcp.toml lend it to this agent",
            )
        return await call_tool(spec, arguments, spec.name, self.seam, self.scope)


async def _run(function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> object:
    if inspect.iscoroutinefunction(function):
        return await function(*args, **kwargs)
    result = await asyncio.to_thread(function, *args, **kwargs)
    return await result if inspect.isawaitable(result) else result
