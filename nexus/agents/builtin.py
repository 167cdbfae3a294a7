"""The built-in agents that do a plan's tasks: what each is for and which tools it is granted.

Light to import: what runs a model is loaded when an agent runs.
"""

import asyncio
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

from nexus.agents.context import Context
from nexus.agents.spec import AgentSpec, Run
from nexus.domain.work import Brief

WORKERS: Final = (
    (
        "research",
        "Finds facts in the documents at hand, in memory and on the web, and reports them with their sources.",
        (
            "search_memory",
            "save_memory",
            "fetch_url",
            "search_web",
            "read_file",
            "list_files",
            "ask_person",
            "delegate",
        ),
    ),
    (
        "code",
        "Writes programs, runs them in a sandbox, and hands over working code or the files it made.",
        ("run_python", "read_file", "write_file", "list_files", "ask_person", "delegate"),
    ),
    (
        "content",
        "Writes and edits texts: reports, summaries, articles, letters, from the inputs it is given.",
        ("read_file", "write_file", "list_files", "search_memory", "ask_person", "delegate"),
    ),
    (
        "data",
        "Analyses tables and figures by computing them in a sandbox, and draws charts; never estimates what it can compute.",
        (
            "profile_table",
            "query_table",
            "draw_chart",
            "run_python",
            "read_file",
            "write_file",
            "list_files",
            "ask_person",
            "delegate",
        ),
    ),
    (
        "qa",
        "Checks work against its acceptance criteria and sources, and lists what is wrong.",
        ("read_file", "search_memory"),
    ),
    (
        "memory",
        "Answers from the documents in memory alone, quoting the passages it used.",
        ("search_memory",),
    ),
)

OPEN: Final = frozenset({"research", "code", "content", "data"})
"""Those that are granted the tools of plugins too; qa and memory keep to what they are given."""


def _work(name: str, tools: tuple[str, ...]) -> Run:
    async def run(brief: Brief, context: Context) -> str:
        if brief.submission is not None:
            from nexus.agents.reviewer import Reviewer

            return await Reviewer(tools).run(brief, context)
        from nexus.agents.model_agent import ModelAgent

        agent = ModelAgent(name, tools, takes_plugin_tools=name in OPEN)
        return await agent.run(brief, context)

    return run


BUILTIN: Final[Mapping[str, AgentSpec]] = MappingProxyType(
    {
        name: AgentSpec(name, about, _work(name, tools), tools, builtin=True)
        for name, about, tools in WORKERS
    }
)


class Toolkit:
    """What running a model needs, imported once in a thread: a second or two of work."""

    def __init__(self) -> None:
        self._loading: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """Return when it is there; whoever asks first has it loaded."""
        if self._loading is None:
            self._loading = asyncio.create_task(asyncio.to_thread(load_toolkit))
        await asyncio.wait({self._loading})
        self._loading.result()


def load_toolkit() -> None:
    """Import now what running a model needs; see `Toolkit`."""
    for module in (
        "nexus.agents.manager",
        "nexus.agents.model_agent",
        "nexus.agents.reviewer",
        "nexus.llm.clients",
        "nexus.llm.offline",
        "jinja2",
    ):
        import_module(module)
