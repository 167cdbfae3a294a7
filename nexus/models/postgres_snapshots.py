"""Reading PostgreSQL over a small pool of its own; statements stay prepared on the server."""

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import asyncpg

from nexus.errors import ServiceMissing, StatementRefused
from nexus.models.postgres import LOST, keep_session
from nexus.models.snapshots import put
from nexus.models.writing import Query, Row

COMMAND_SECONDS: Final = 20.0
SESSION: Final = {"application_name": "nexus", "jit": "off", "random_page_cost": "1.1"}
"""Questions go from few keys to their rows: with the cost for turning disks the planner reads
a small table whole, once for each key."""
WORDS: Final = {
    r"IN JSON\(\$(\d+)\)": r"= ANY(ARRAY(SELECT jsonb_array_elements_text(CAST($\1 AS JSONB))))",
    r"RFC3339\(([\w.]+)\)": r"to_char(timestamp 'epoch' + \1 * interval '1 microsecond', "
    r"""'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
    r"JSON_OBJECT\(": "json_build_object(",
    r"JSON_ROW\(": "json_build_array(",
    r"JSON_ALL\(": "json_agg(",
    r"JOINED\(": "string_agg(",
}


class PostgresSnapshots:
    """The pool is opened by the first question."""

    def __init__(self, dsn: str, readers: int) -> None:
        self._dsn = dsn
        self._readers = readers
        self._pool: Any = None

    def _open(self) -> Any:
        return asyncpg.create_pool(
            self._dsn,
            min_size=0,
            max_size=self._readers,
            command_timeout=COMMAND_SECONDS,
            timeout=5.0,
            server_settings=SESSION,
            reset=keep_session,
        )

    async def read(self, questions: Sequence[Query]) -> list[Sequence[Row]]:
        try:
            try:
                return await self._read(questions)
            except LOST:
                return await self._read(questions)  # the pool held a connection that had died
        except LOST as wrong:
            raise ServiceMissing(
                f"the database cannot be read: {type(wrong).__name__}",
                hint="check NEXUS_DATABASE_URL and that the database runs",
            ) from wrong
        except asyncpg.PostgresError as wrong:
            raise StatementRefused(
                f"PostgreSQL refused a question: {type(wrong).__name__}: {wrong}"
            ) from wrong

    async def _read(self, questions: Sequence[Query]) -> list[Sequence[Row]]:
        if self._pool is None:
            self._pool = self._open()
        await self._pool  # without connections to open, this returns at once
        async with self._pool.acquire() as connection:
            if len(questions) == 1:
                return [await _answer(connection, questions[0])]
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                return [await _answer(connection, question) for question in questions]

    async def close(self) -> None:
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(5):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


async def _answer(connection: Any, question: Query) -> Sequence[Row]:
    rows: Sequence[Row] = await connection.fetch(_own(question.sql), *question.values)
    return rows


@cache
def _own(sql: str) -> str:
    return put(sql, WORDS)
