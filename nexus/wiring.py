"""Builds the parts of a process from its settings, once, and takes them down again.

The API and the worker call it; nothing else constructs services.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from nexus import locations
from nexus.agents.roster import load_agent_files, load_plugins, roster
from nexus.catalogue.catalogue import SqlCatalogue
from nexus.errors import Misconfigured
from nexus.events.bell import Bell
from nexus.events.redis_link import RedisLink
from nexus.memory.embed import Embedder
from nexus.memory.reranking import HttpReranker
from nexus.memory.store import Memory
from nexus.models.database import Database, open_database
from nexus.models.writing import Writer
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.queue import Queue
from nexus.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """What a process of Nexus is made of."""

    settings: Settings
    database: Database
    redis: RedisLink
    queue: Queue
    bell: Bell
    engine: WorkflowEngine
    memory: Memory


def usable_agents() -> frozenset[str]:
    """Name the agents a plan may use: all but the one that plans."""
    return frozenset(roster()) - {"manager"}


@asynccontextmanager
async def open_engine(
    settings: Settings, *, prepare: Callable[[Writer], Awaitable[None]] | None = None
) -> AsyncIterator[Parts]:
    """Open the database and everything around it for one process.

    Raises:
        OperatorError: the data directory or the database cannot be used; the message says why.
    """
    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as wrong:
        raise Misconfigured(
            f"the data directory {settings.data_dir} cannot be made: {wrong.strerror}",
            hint="set NEXUS_DATA_DIR to a folder that can be written",
        ) from wrong
    load_plugins(settings)
    load_agent_files(settings)
    embedder = _embedder(settings)
    database = await open_database(settings, prepare=prepare)
    redis = RedisLink(lambda: locations.redis_url(settings))
    queue = Queue(redis, database.installation_id)
    bell = Bell(redis, database.installation_id)
    memory = Memory(
        lambda: locations.chroma_url(settings),
        SqlCatalogue(database),
        installation=database.installation_id,
        embedder=embedder,
        reranker=_reranker(settings),
    )
    engine = WorkflowEngine(database, queue, bell, usable_agents)
    try:
        yield Parts(settings, database, redis, queue, bell, engine, memory)
    finally:
        await memory.close()
        await redis.close()
        await database.close()


def _embedder(settings: Settings) -> Embedder | None:
    """Make the model that was chosen, None for the one that comes with Nexus."""
    if not settings.embedding_model:
        return None
    from nexus.llm.embedding import ServedEmbedder

    return ServedEmbedder(settings, settings.embedding_model)


def _reranker(settings: Settings) -> HttpReranker | None:
    if settings.rerank_url is None:
        return None
    return HttpReranker(settings.rerank_url, settings.rerank_model, settings.rerank_api_key)


@asynccontextmanager
async def running(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Do something that never ends by itself, such as listening, while the context lasts."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
