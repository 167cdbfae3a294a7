"""Reading for the API: a session with a deadline, and the time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from nexus.models.database import Database

READ_SECONDS: Final = 20.0


@asynccontextmanager
async def reading(database: Database) -> AsyncIterator[AsyncSession]:
    """Open a read session whose whole use must end within `READ_SECONDS`."""
    async with asyncio.timeout(READ_SECONDS), database.read() as session:
        yield session


def now_us() -> int:
    """Return the time in microseconds since 1970."""
    return time.time_ns() // 1_000
