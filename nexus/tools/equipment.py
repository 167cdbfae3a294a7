"""Builds the equipment tools work with from the settings; called once a process."""

from typing import TYPE_CHECKING

from nexus.settings import Settings
from nexus.tools.fetch.fetcher import Fetcher
from nexus.tools.sandbox.choosing import choose_sandbox
from nexus.tools.scope import Equipment
from nexus.tools.searcher import Searcher

if TYPE_CHECKING:
    from nexus.memory.store import Memory


async def build_equipment(settings: Settings, memory: "Memory") -> Equipment:
    """Return the equipment; the sandbox is chosen by a real trial run.

    Raises:
        Misconfigured: the sandbox that NEXUS_SANDBOX names does not work here.
    """
    return Equipment(
        memory=memory,
        sandbox=await choose_sandbox(settings.sandbox),
        fetcher=Fetcher(),
        searcher=Searcher(
            settings.tavily_api_key, settings.brave_api_key, searxng_url=settings.searxng_url
        ),
    )
