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
from nexus.memory.embed import Embedder, LocalEmbedder
from nexus.memory.reranking import LOCAL, HttpReranker, Reranker
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
    reranker = _reranker(settings, embedder)
    database = await open_database(settings, prepare=prepare)
    redis = RedisLink(lambda: locations.redis_url(settings))
    queue = Queue(redis, database.installation_id)
    bell = Bell(redis, database.installation_id)
    memory = Memory(
        lambda: locations.chroma_url(settings),
        SqlCatalogue(database),
        installation=database.installation_id,
        embedder=embedder,
        reranker=reranker,
    )
    engine = WorkflowEngine(database, queue, bell, usable_agents)
    try:
        yield Parts(settings, database, redis, queue, bell, engine, memory)
    finally:
        await memory.close()
        await redis.close()
        await database.close()


def _embedder(settings: Settings) -> Embedder:
    """Make the model that was chosen, else the one that comes with Nexus; it loads when used."""
    if not settings.embedding_model:
        return LocalEmbedder()
    from nexus.llm.embedding import ServedEmbedder

    return ServedEmbedder(settings, settings.embedding_model)


def _reranker(settings: Settings, embedder: Embedder) -> Reranker | None:
    if settings.rerank_url is not None:
        return HttpReranker(settings.rerank_url, settings.rerank_model, settings.rerank_api_key)
    if settings.rerank_model is None:
        return None
    if settings.rerank_model != LOCAL:
        raise Misconfigured(
            f"NEXUS_RERANK_MODEL is {settings.rerank_model!r}, and no server is named that has it",
            hint=f"set NEXUS_RERANK_URL, or NEXUS_RERANK_MODEL={LOCAL}",
        )
    from nexus.memory.late import LateReranker

    # One copy of the model in a process is enough.
    return LateReranker(embedder if isinstance(embedder, LocalEmbedder) else LocalEmbedder())


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
