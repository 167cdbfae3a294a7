"""Bring the schema up to date, by one process at a time.

A file lock orders processes on SQLite, an advisory lock on PostgreSQL. A schema that is
current is left alone without loading Alembic.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from nexus.errors import ServiceMissing
from nexus.locks import FileLock
from nexus.models.address import Address, Dialect

T = TypeVar("T")
HEAD: Final = "0019"
ADVISORY_LOCK: Final = 0x6E657875  # "nexu"


async def upgrade(address: Address, data: Path, prepare: Callable[[], Awaitable[T]]) -> T:
    """Upgrade the schema, then run `prepare`, both under the lock, and return what it returns.

    Raises:
        ServiceMissing: the database is out of reach.
    """
    engine = create_async_engine(address.sqlalchemy_url)
    try:
        async with _locked(address, data, engine):
            async with engine.connect() as connection:
                if await connection.run_sync(revision) != HEAD:
                    await connection.run_sync(_upgrade)
            return await prepare()
    except (OSError, InterfaceError) as wrong:
        raise ServiceMissing(
            f"the database cannot be reached ({address.shown}): {type(wrong).__name__}",
            hint="check NEXUS_DATABASE_URL and that the database runs",
        ) from wrong
    finally:
        await engine.dispose()


def revision(connection: Connection) -> str | None:
    """Read the schema's revision, None for an empty database."""
    try:
        with connection.begin():
            found: str | None = connection.execute(
                text("SELECT version_num FROM alembic_version")
            ).scalar()
    except DBAPIError as wrong:
        if wrong.connection_invalidated:
            raise
        return None
    return found


@asynccontextmanager
async def _locked(address: Address, data: Path, engine: AsyncEngine) -> AsyncIterator[None]:
    if address.dialect is Dialect.POSTGRESQL:
        async with engine.connect() as connection:
            await connection.execute(text(f"SELECT pg_advisory_lock({ADVISORY_LOCK})"))
            yield
            await connection.execute(text(f"SELECT pg_advisory_unlock({ADVISORY_LOCK})"))
        return
    folder = address.path.parent if address.path else data
    lock = FileLock(folder / "migration.lock")
    await asyncio.to_thread(lock.acquire, wait=True)
    try:
        yield
    finally:
        lock.release()


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "nexus.models:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.commit()
