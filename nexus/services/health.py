"""Readiness: what of an installation is there, each asked with a short deadline."""

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final, Protocol

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from nexus.models.database import Database
from nexus.models.work import Worker
from nexus.schemas.health import Ready, Word
from nexus.services.reads import database_now_us

if TYPE_CHECKING:
    from nexus.memory.store import Memory

PROBE_SECONDS: Final = 2.0


class Doorbell(Protocol):
    """Redis, as far as readiness asks about it."""

    async def is_up(self) -> bool: ...


async def look_around(database: Database, redis: Doorbell, memory: "Memory") -> Ready:
    """Ask every service at once whether it is there."""
    there, bell, passages, workers = await asyncio.gather(
        _ask(database.is_ready()),
        _ask(redis.is_up()),
        _ask(memory.ready()),
        _ask(_has_workers(database)),
    )
    return Ready(
        status="ready" if there else "unready",
        database=_word(there),
        redis=_word(bell),
        chroma=_word(passages),
        workers=_word(workers),
    )


async def look_at_services(redis: Doorbell, memory: "Memory") -> tuple[Word, Word]:
    """Ask Redis and the documents' memory at once whether they are there."""
    bell, passages = await asyncio.gather(_ask(redis.is_up()), _ask(memory.ready()))
    return _word(bell), _word(passages)


async def _ask(question: Awaitable[bool]) -> bool:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return await question
    except (TimeoutError, SQLAlchemyError, OSError):
        return False


async def _has_workers(database: Database) -> bool:
    async with database.read() as session:
        now = await database_now_us(database, session)
        statement = select(func.count()).select_from(Worker).where(Worker.lease_until > now)
        return bool((await session.execute(statement)).scalar_one())


def _word(there: bool) -> Word:
    return "ok" if there else "missing"
