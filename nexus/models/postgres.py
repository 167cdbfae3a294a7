"""The PostgreSQL writer: each transaction over one pooled asyncpg connection.

Serialization conflicts and deadlocks are run again; a connection lost before the commit
was sent is too. Lost during the commit, the outcome is unknown and said to be so.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

import asyncpg

from nexus.errors import ServiceMissing, StatementRefused, StorageFull
from nexus.models.postgres_session import SETTINGS, Sending, Session
from nexus.models.writing import Begin, T

TRIES: Final = 8
PAUSE_SECONDS: Final = 0.1
COMMAND_SECONDS: Final = 60.0
POOL_SIZE: Final = 8

CONFLICTS: Final = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
AWAY: Final[tuple[type[Exception], ...]] = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
)
LOST: Final[tuple[type[Exception], ...]] = (OSError, *AWAY)


class PostgresWriter:
    """Runs transactions from any number of tasks of one event loop."""

    def __init__(self, dsn: str, *, pool_size: int = POOL_SIZE) -> None:
        self._pool = asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=pool_size,
            command_timeout=COMMAND_SECONDS,
            timeout=5.0,
            server_settings={"application_name": "nexus"},
            init=self._set_up,
            reset=keep_session,
        )
        # Waiting for a connection is not a failure of the database: first come, first served.
        self._places = asyncio.Semaphore(pool_size)
        self._sessions: dict[int, Session] = {}  # by the server's process of a connection

    async def open(self) -> None:
        """Connect.

        Raises:
            ServiceMissing: no database answers.
        """
        try:
            await self._pool
        except LOST as wrong:
            raise _missing(wrong) from wrong

    async def run(self, begin: Begin[T]) -> T:
        for turn in range(TRIES):
            try:
                return await self._run_once(begin)
            except CONFLICTS as conflict:
                last: Exception = conflict
            except LOST as lost:
                last = lost
            except asyncpg.PostgresError as wrong:
                raise StatementRefused(
                    f"PostgreSQL refused a statement: {type(wrong).__name__}: {wrong}"
                ) from wrong
            await asyncio.sleep(PAUSE_SECONDS * (turn + 1))
        raise _missing(last) from last

    async def _run_once(self, begin: Begin[T]) -> T:
        async with self._places, self._pool.acquire() as connection:
            session = self._sessions[connection.get_server_pid()]
            await session.plan_anew(connection)
            sending = Sending(connection, session)
            finished = False
            try:
                result = await sending.drive(begin())
                finished = True
            finally:
                if not finished and sending.has_begun:
                    with suppress(asyncpg.InterfaceError):  # it is closed: that undoes it too
                        await connection.execute("ROLLBACK")
            if not sending.has_begun:
                return result
            try:
                await connection.execute("COMMIT")
            except LOST as lost:
                raise ServiceMissing(
                    "the connection to PostgreSQL was lost during a commit",
                    code="outcome_unknown",
                    hint="ask again: what was committed is kept",
                ) from lost
            return result

    async def _set_up(self, connection: Any) -> None:
        await connection.execute(SETTINGS)
        server, session = connection.get_server_pid(), Session()

        def forget(_: Any) -> None:
            if self._sessions.get(server) is session:
                del self._sessions[server]

        self._sessions[server] = session
        connection.add_termination_listener(forget)

    async def close(self) -> None:
        try:
            async with asyncio.timeout(5):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


async def keep_session(connection: Any) -> None:
    """Spare the round trip of a reset: nothing here changes anything of its session."""


def _missing(wrong: Exception) -> ServiceMissing:
    if isinstance(wrong, asyncpg.DiskFullError):
        return StorageFull("the disk of PostgreSQL is full", hint="free some space on it")
    return ServiceMissing(
        f"PostgreSQL cannot be reached: {type(wrong).__name__}",
        hint="check NEXUS_DATABASE_URL and that the server runs",
    )
