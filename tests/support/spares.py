"""PostgreSQL databases with the newest schema, lent to one test after the other.

To make one from a template takes longer than most tests. One is emptied and lent again, as
long as its schema is as it was and it has not grown: to read past many dead rows is slow too.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from tests.support.postgres import Server

MOST_GROWN_BYTES: Final = 8_000_000
END_OTHERS: Final = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
SCHEMA: Final = (
    "SELECT md5(string_agg(line, ' ' ORDER BY line)) FROM ("
    "SELECT concat_ws(' ', c.relname, c.relkind, a.attname, a.atttypid, a.attnotnull) AS line "
    "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
    "WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 "
    "UNION ALL SELECT concat_ws(' ', proname, md5(prosrc)) FROM pg_proc "
    "WHERE pronamespace = 'public'::regnamespace "
    "UNION ALL SELECT concat_ws(' ', tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal "
    "UNION ALL SELECT concat_ws(' ', conname, contype) FROM pg_constraint "
    "WHERE connamespace = 'public'::regnamespace "
    "UNION ALL SELECT array_to_string(setconfig, ' ') FROM pg_db_role_setting s "
    "JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database()) known"
)
EMPTIED: Final = (
    "SELECT format('DELETE FROM %I', relname) FROM pg_class WHERE relkind = 'r' "
    "AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version' "
    "UNION ALL SELECT format('ALTER SEQUENCE %I RESTART', relname) FROM pg_class "
    "WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace"
)


class Spares:
    """The databases of one server that are copies of `template`."""

    def __init__(self, server: Server, template: str) -> None:
        self._server = server
        self._template = template
        self._spare: list[str] = []
        self._made = 0
        self._schema = ""

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[str]:
        """Yield the address of an empty database; whoever is still connected afterwards is cut off."""
        name = self._spare.pop() if self._spare else await self._make()
        yield self._server.url(name)
        if await self._empty(name):
            self._spare.append(name)
        else:
            await self._server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    async def _make(self) -> str:
        self._made += 1
        name = f"test_{self._made}"
        await self._server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}"')
        if not self._schema:
            self._schema = await self._read_schema(name)
        return name

    async def _read_schema(self, name: str) -> str:
        connection = await asyncpg.connect(self._server.url(name), timeout=10)
        try:
            return str(await connection.fetchval(SCHEMA, timeout=30))
        finally:
            await connection.close(timeout=10)

    async def _empty(self, name: str) -> bool:
        """Remove every row; False if the database is not fit to be lent again."""
        connection = await asyncpg.connect(self._server.url(name), timeout=10)
        try:
            await connection.execute(END_OTHERS, timeout=30)
            if await connection.fetchval(SCHEMA, timeout=30) != self._schema:
                return False
            statements = [row[0] for row in await connection.fetch(EMPTIED)]
            replica = (
                "SET session_replication_role = replica"  # in any order, whoever refers to whom
            )
            await connection.execute("; ".join((replica, *statements)), timeout=30)
            grown = f"SELECT pg_database_size(current_database()) - pg_database_size('{self._template}')"
            return bool(await connection.fetchval(grown, timeout=30) < MOST_GROWN_BYTES)
        finally:
            await connection.close(timeout=10)
