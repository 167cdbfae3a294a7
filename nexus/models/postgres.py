"""The PostgreSQL writer: each transaction over one pooled asyncpg connection.

Serialization conflicts and deadlocks are run again; a connection lost before the commit
was sent is too. Lost during the commit, the outcome is unknown and said to be so.
"""

import asyncio
import json
import re
import time
from functools import cache
from typing import Any, Final

import asyncpg

from nexus.errors import ServiceMissing, StatementRefused, StorageFull
from nexus.models.writing import Begin, Fused, Many, Row, Statement, T, Transaction, Value

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
            init=_plan_by_index,
            reset=keep_session,
        )
        # Waiting for a connection is not a failure of the database: first come, first served.
        self._places = asyncio.Semaphore(pool_size)
        self._planned_at: dict[int, float] = {}  # by the server's process of a connection

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
            await self._plan_anew(connection)
            await connection.execute("BEGIN")
            finished = False
            try:
                result = await drive(connection, begin())
                finished = True
            finally:
                if not finished and not connection.is_closed():
                    await connection.execute("ROLLBACK")
            try:
                await connection.execute("COMMIT")
            except LOST as lost:
                raise ServiceMissing(
                    "the connection to PostgreSQL was lost during a commit",
                    code="outcome_unknown",
                    hint="ask again: what was committed is kept",
                ) from lost
            return result

    async def _plan_anew(self, connection: Any) -> None:
        """Forget plans now and then: one made while a table was small reads all of it."""
        now, server = time.monotonic(), connection.get_server_pid()
        if now - self._planned_at.get(server, now) >= PLANS_SECONDS:
            await connection.execute("DISCARD PLANS")
            self._planned_at.pop(server)
        self._planned_at.setdefault(server, now)

    async def close(self) -> None:
        try:
            async with asyncio.timeout(5):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


PLANNING: Final = (
    "SET jit = off; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off"
)
"""Every hot statement goes from few keys to their rows, by plans that are made once for all of
them, and again after PLANS_SECONDS: the server makes them anew by itself only when it has
counted a table's rows, which takes it a minute or more."""
PLANS_SECONDS: Final = 2.0
MANY_KEYS: Final = 1_000


async def _plan_by_index(connection: Any) -> None:
    await connection.execute(PLANNING)


async def keep_session(connection: Any) -> None:
    """Spare the round trip of a reset: nothing here changes anything of its session."""


async def drive(connection: Any, transaction: Transaction[T]) -> T:
    """Feed a transaction's statements to the connection until it returns."""
    try:
        statement = next(transaction)
        while True:
            statement = transaction.send(await _execute(connection, statement))
    except StopIteration as end:
        result: T = end.value
        return result


async def _execute(connection: Any, statement: Statement) -> list[Row]:
    sql = _native(statement.sql)
    if isinstance(statement, Many):
        await connection.executemany(sql, statement.rows)
        return []
    if isinstance(statement, Fused):
        (row,) = await connection.fetch(sql, *map(_as_json, statement.values))
        return [json.loads(table) if table else [] for table in row]
    if any(isinstance(one, list | tuple) and len(one) > MANY_KEYS for one in statement.values):
        await connection.execute("DISCARD PLANS")  # for so many keys the plan must be right
    rows: list[Row] = await connection.fetch(sql, *map(_native_value, statement.values))
    return rows


@cache
def _native(sql: str) -> str:
    """Write the shared form of a statement the way PostgreSQL wants it."""
    sql = sql.replace("JSON_LIST(", "json_agg(").replace("JSON_ROW(", "json_build_array(")
    sql = re.sub(r"EACH OF \$(\d+) \(([^)]*)\)", _unpacked, sql)
    return re.sub(r"IN EACH\(\$(\d+)\)", r"= ANY($\1)", sql)


def _unpacked(found: re.Match[str]) -> str:
    columns = ", ".join(
        f"CAST(value->>{at} AS {column.split()[1]}) AS {column.split()[0]}"
        for at, column in enumerate(found[2].split(","))
    )
    # Through an array: of one the planner expects ten rows, of a function a hundred, and for
    # so many it would rather go over a whole table.
    elements = f"ARRAY(SELECT jsonb_array_elements(CAST(${found[1]} AS JSONB)))"
    rows = f"unnest({elements}) AS e(value)"
    return " ".join(("(SELECT", columns, "FROM", rows, ")"))


def _as_json(value: Value) -> Any:
    return json.dumps(value) if isinstance(value, list | tuple) else value


def _native_value(value: Value) -> Any:
    """Send a list of tuples as JSON; anything else as it is."""
    if isinstance(value, list | tuple) and value and isinstance(value[0], list | tuple):
        return json.dumps(value)
    return value


def _missing(wrong: Exception) -> ServiceMissing:
    if isinstance(wrong, asyncpg.DiskFullError):
        return StorageFull("the disk of PostgreSQL is full", hint="free some space on it")
    return ServiceMissing(
        f"PostgreSQL cannot be reached: {type(wrong).__name__}",
        hint="check NEXUS_DATABASE_URL and that the server runs",
    )
