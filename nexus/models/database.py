"""The database as the rest of Nexus sees it: transactions that write, sessions that read."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from sqlalchemy import event, select, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from nexus.domain.ids import new_id
from nexus.errors import Misconfigured, ServiceMissing
from nexus.models.address import Address, Dialect, find_database
from nexus.models.migrate import upgrade
from nexus.models.snapshots import Snapshots
from nexus.models.work import Installation
from nexus.models.writing import Begin, Query, Row, T, Transaction, Writer
from nexus.settings import Settings

READERS: Final = 4
ASK_SECONDS: Final = 20.0
READ_LOST: Final = (OperationalError, InterfaceError, PoolTimeout, ConnectionError)
"""What a reader meets when the database is away."""


class Database:
    """One open database of one process and event loop."""

    def __init__(
        self, address: Address, writer: Writer, engine: AsyncEngine, installation_id: str
    ) -> None:
        self.address = address
        self.installation_id = installation_id
        self._writer = writer
        self._engine = engine
        self._snapshots = _open_snapshots(address)
        self._lost: tuple[type[Exception], ...] = (*READ_LOST, *_driver_errors(address))
        self._sessions = async_sessionmaker(engine, expire_on_commit=False, autoflush=False)

    async def run(self, begin: Begin[T]) -> T:
        """Run one write transaction; returns after its commit (see `Writer.run`)."""
        return await self._writer.run(begin)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Open a session that sees one unchanging snapshot; nothing is written through it.

        Raises:
            ServiceMissing: the database is out of reach.
        """
        try:
            async with self._sessions() as session:
                yield session
        except self._lost as wrong:
            raise _unread(wrong) from wrong
        except DBAPIError as wrong:
            if not wrong.connection_invalidated:
                raise
            raise _unread(wrong) from wrong

    async def ask(self, *questions: Query) -> list[Sequence[Row]]:
        """Answer questions from one snapshot, without SQLAlchemy: for what is read often or in bulk.

        Raises:
            ServiceMissing: the database is out of reach, or too slow.
        """
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return await self._snapshots.read(questions)
        except TimeoutError as late:
            raise _unread(late) from late

    async def is_ready(self) -> bool:
        """Tell whether the database answers."""
        try:
            async with self.read() as session:
                await session.execute(text("SELECT 1"))
        except (ServiceMissing, SQLAlchemyError, OSError):
            return False
        return True

    async def close(self) -> None:
        """Finish accepted writes and let go of every connection."""
        await self._writer.close()
        await self._snapshots.close()
        await self._engine.dispose()


def _driver_errors(address: Address) -> tuple[type[Exception], ...]:
    """What the driver raises past SQLAlchemy while a server starts or stops."""
    if address.dialect is not Dialect.POSTGRESQL:
        return ()
    from nexus.models.postgres import AWAY

    return AWAY


def _unread(wrong: Exception) -> ServiceMissing:
    return ServiceMissing(
        f"the database cannot be read: {type(wrong).__name__}",
        hint="check NEXUS_DATABASE_URL and that the database runs",
    )


def _open_snapshots(address: Address) -> Snapshots:
    if address.dsn is not None:
        from nexus.models.postgres_snapshots import PostgresSnapshots

        return PostgresSnapshots(address.dsn, READERS)
    from nexus.models.sqlite_snapshots import SqliteSnapshots

    if address.path is None:
        raise Misconfigured("the database URL names neither a file nor a server")
    return SqliteSnapshots(address.path, READERS)


async def open_writer(address: Address, *, pool_size: int = 8) -> Writer:
    """Open the writer for the database's kind."""
    if address.dsn is not None:
        from nexus.models.postgres import PostgresWriter

        writer = PostgresWriter(address.dsn, pool_size=pool_size)
        await writer.open()
        return writer
    from nexus.models.sqlite import SqliteWriter

    if address.path is None:
        raise Misconfigured("the database URL names neither a file nor a server")
    return SqliteWriter(address.path)


async def open_database(
    settings: Settings, *, prepare: Callable[[Writer], Awaitable[None]] | None = None
) -> Database:
    """Upgrade the schema under its lock, run `prepare` inside that lock, and open.

    Raises:
        ServiceMissing: the database is out of reach.
        Misconfigured: `NEXUS_DATABASE_URL` names no database Nexus knows.
    """
    address = find_database(settings)
    if address.path:
        address.path.parent.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as opened:

        async def first_rows() -> Writer:
            writer = await open_writer(address)
            opened.push_async_callback(writer.close)
            await writer.run(_name_installation)
            if prepare:
                await prepare(writer)
            return writer

        writer = await upgrade(address, settings.data, first_rows)
        engine = _read_engine(address)
        opened.push_async_callback(engine.dispose)
        async with async_sessionmaker(engine)() as session:
            installation_id = (await session.execute(select(Installation.id))).scalar_one()
        opened.pop_all()
        return Database(address, writer, engine, installation_id)


def _name_installation() -> Transaction[None]:
    if not (yield Query("SELECT id FROM installation")):
        yield Query(
            "INSERT INTO installation (id, workspace, created_at) VALUES ($1, 'default', NOW_US())",
            (new_id("nex"),),
        )


def _read_engine(address: Address) -> AsyncEngine:
    if address.dialect is Dialect.POSTGRESQL:
        return create_async_engine(
            address.sqlalchemy_url,
            isolation_level="REPEATABLE READ",
            pool_size=READERS,
            max_overflow=READERS,
            pool_pre_ping=True,
        )
    engine = create_async_engine(address.sqlalchemy_url, pool_size=READERS, max_overflow=READERS)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # The driver begins no transaction for a SELECT; without one there is no snapshot.
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout=30000")
        connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine
