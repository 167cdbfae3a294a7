"""Reading for the API: a session with a deadline, and the time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from nexus.errors import ServiceMissing
from nexus.models.address import Dialect
from nexus.models.database import Database

READ_SECONDS: Final = 20.0


@asynccontextmanager
async def reading(database: Database) -> AsyncIterator[AsyncSession]:
    """Open a read session whose whole use must end within `READ_SECONDS`.

    Raises:
        ServiceMissing: the database is out of reach, or too slow.
    """
    try:
        async with asyncio.timeout(READ_SECONDS), database.read() as session:
            yield session
    except (OperationalError, InterfaceError, PoolTimeout, OSError) as wrong:
        raise ServiceMissing(
            "the database does not answer", hint="try again; the log of the server has more"
        ) from wrong


def now_us() -> int:
    """Return the time in microseconds since 1970."""
    return time.time_ns() // 1_000


async def database_now_us(database: Database, session: AsyncSession) -> int:
    """Return the time by the database's clock, by which leases run; SQLite has this machine's."""
    if database.address.dialect is Dialect.POSTGRESQL:
        now: int = (await session.execute(select(func.now_us()))).scalar_one()
        return now
    return now_us()
