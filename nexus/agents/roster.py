"""The agents of this process: the built-in ones, those of plugins, those of files.

`@agent` registers; plugins are imported once at start by the API and by every worker. The
engine looks agents up here and never imports one by itself.
"""

import importlib
import re
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final

from nexus.agents.builtin import BUILTIN
from nexus.agents.context import Context
from nexus.agents.declared import read_files
from nexus.agents.spec import PLANNER, AgentSpec, Run
from nexus.domain.work import Brief
from nexus.errors import Misconfigured, NexusError
from nexus.settings import Settings

NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
PLUGIN_GROUP: Final = "nexus.plugins"


_declared: Final[dict[str, AgentSpec]] = {}
_of_files: Final[dict[str, AgentSpec]] = {}


def agent(name: str, *, description: str, tools: tuple[str, ...] = ()) -> Callable[[Run], Run]:
    """Declare an async function as an agent that any plan can name.

    Raises:
        Misconfigured: the name is malformed or taken.
    """

    def declare(run: Run) -> Run:
        register(AgentSpec(name, " ".join(description.split()), run, tuple(tools)))
        return run

    return declare


def register(spec: AgentSpec) -> None:
    """Add an agent to the roster; declaring the same function again replaces it.

    Raises:
        Misconfigured: the name is malformed or taken by another agent.
    """
    if not NAME.fullmatch(spec.name):
        raise Misconfigured(
            f"the agent name {spec.name[:80]!r} cannot be used in a plan",
            hint="use 1 to 64 of the characters A-Z a-z 0-9 _ . -",
        )
    holder = roster().get(spec.name)
    if holder is not None and (holder.builtin or _origin(holder.run) != _origin(spec.run)):
        raise Misconfigured(
            f"two agents are called {spec.name!r}: {_origin(holder.run)} and {_origin(spec.run)}",
            hint="rename one of them",
        )
    _declared[spec.name] = spec


def roster() -> Mapping[str, AgentSpec]:
    """Return every agent by name, the built-in ones first."""
    return MappingProxyType({PLANNER: MANAGER, **BUILTIN, **_declared, **_of_files})


async def _plan(brief: Brief, context: Context) -> str:
    from nexus.agents.manager import ManagerAgent

    own = [spec for spec in context.colleagues if spec.name not in roster()]
    usable = {spec.name: _described(spec) for spec in (*plannable().values(), *own)}
    return await ManagerAgent(usable).run(brief, context)


def _described(spec: AgentSpec) -> str:
    tools = f" Tools: {', '.join(spec.tools)}." if spec.tools else ""
    return f"{spec.description}{tools}"


MANAGER: Final = AgentSpec(
    PLANNER, "Turns a goal into a plan of phases and tasks.", _plan, builtin=True
)


def plannable() -> dict[str, AgentSpec]:
    """Return the agents a plan may name: all but the manager."""
    return {name: spec for name, spec in roster().items() if name != PLANNER}


def load_plugins(settings: Settings) -> None:
    """Import the modules of NEXUS_PLUGINS, then the installed entry points `nexus.plugins`.

    The working directory counts as a place to import from, last, so that a plugin can be a
    file beside `.env`.

    Raises:
        Misconfigured: a plugin cannot be imported or declares something impossible.
    """
    here = str(Path.cwd())
    if settings.plugins and here not in sys.path:
        sys.path.append(here)
    for module in settings.plugins:
        with _PluginNamed(f"the plugin {module!r} of NEXUS_PLUGINS"):
            importlib.import_module(module)
    for entry in sorted(entry_points(group=PLUGIN_GROUP), key=lambda found: found.name):
        with _PluginNamed(f"the installed plugin {entry.name!r} ({entry.value})"):
            entry.load()


def load_agent_files(settings: Settings) -> None:
    """Read the agents of the data directory's `agents/*.toml`, in the place of those read before.

    Raises:
        Misconfigured: a file is no declaration, or declares what cannot be.
    """
    _of_files.clear()
    _of_files.update(read_files(settings.data, roster()))


class _PluginNamed:
    """Turns whatever a plugin's own code raises into an error that names the plugin."""

    def __init__(self, plugin: str) -> None:
        self._plugin = plugin

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            reason = (
                error.message
                if isinstance(error, NexusError)
                else f"{type(error).__name__}: {error}"
            )
            raise Misconfigured(
                f"{self._plugin} cannot be loaded: {reason}",
                hint="mend the plugin or take it out of NEXUS_PLUGINS",
            ) from error


def _origin(run: Run) -> str:
    module = getattr(run, "__module__", type(run).__module__)
    return f"{module}.{getattr(run, '__qualname__', type(run).__qualname__)}"
