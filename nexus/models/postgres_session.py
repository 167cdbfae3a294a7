"""One PostgreSQL connection of the writer: how a transaction's statements reach the server.

Round trips are what a small transaction costs there: it begins, takes its locks and sends its
first statement in two of them.
"""

import json
import re
import time
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Any, Final

from nexus.models.writing import Fused, Lock, Many, Query, Row, Statement, T, Transaction, Value

SETTINGS: Final = (
    "SET jit = off; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; "
    "SET standard_conforming_strings = on"
)
"""Every hot statement goes from few keys to their rows, by plans that are made once for all of
them, and again after PLANS_SECONDS: the server makes them anew by itself only when it has
counted a table's rows, which takes it a minute or more."""
PLANS_SECONDS: Final = 2.0
MANY_KEYS: Final = 1_000


class Session:
    """What the server has of one connection: plans of a certain age, and prepared statements."""

    def __init__(self) -> None:
        self._planned_at = time.monotonic()
        self._prepared: set[str] = set()

    async def plan_anew(self, connection: Any) -> None:
        """Forget plans now and then: one made while a table was small reads all of it."""
        now = time.monotonic()
        if now - self._planned_at >= PLANS_SECONDS:
            await connection.execute("DISCARD PLANS")
            self._planned_at = now

    async def as_text(self, connection: Any, lock: Lock) -> str | None:
        """Write a lock as text that executes what is prepared; None if it cannot be."""
        values = [literal for one in lock.values if (literal := _literal(one))]
        if _has_many(lock) or len(values) < len(lock.values):
            return None
        name = _name(lock.sql)
        if name not in self._prepared:
            await self._prepare(connection, name, _native(lock.sql))
        return f"EXECUTE {name}({', '.join(values)})"

    async def _prepare(self, connection: Any, name: str, sql: str) -> None:
        try:
            await connection.execute(f"PREPARE {name} AS {sql}")
            self._prepared.add(name)
        finally:
            if name not in self._prepared:
                connection.terminate()  # nobody knows whether the server has it now


class Sending:
    """One transaction on its way: its beginning and its locks go along with what comes next."""

    def __init__(self, connection: Any, session: Session) -> None:
        self._connection = connection
        self._session = session
        self._unsent = ["BEGIN"]
        self.has_begun = False

    async def drive(self, transaction: Transaction[T]) -> T:
        """Feed a transaction's statements to the connection until it returns."""
        try:
            statement = next(transaction)
            while True:
                statement = transaction.send(await self._send(statement))
        except StopIteration as end:
            result: T = end.value
            return result

    async def _send(self, statement: Statement) -> list[Row]:
        if isinstance(statement, Lock):
            text = await self._session.as_text(self._connection, statement)
            if text:
                self._unsent.append(text)
                return []
        if self._unsent:
            self.has_begun = True
            texts, self._unsent = self._unsent, []
            await self._connection.execute("; ".join(texts))
        return await _execute(self._connection, statement)


async def _execute(connection: Any, statement: Statement) -> list[Row]:
    sql = _native(statement.sql)
    if isinstance(statement, Many):
        await connection.executemany(sql, statement.rows)
        return []
    if isinstance(statement, Fused):
        (row,) = await connection.fetch(sql, *map(_as_json, statement.values))
        return [json.loads(table) if table else [] for table in row]
    if _has_many(statement):
        await connection.execute("DISCARD PLANS")  # for so many keys the plan must be right
    rows: list[Row] = await connection.fetch(sql, *map(_native_value, statement.values))
    return rows


def _has_many(statement: Query | Lock) -> bool:
    return any(isinstance(one, list | tuple) and len(one) > MANY_KEYS for one in statement.values)


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


@cache
def _name(sql: str) -> str:
    """Name a prepared statement by what it says: a name never stands for another."""
    return f"nexus_{sha256(sql.encode()).hexdigest()[:16]}"


def _as_json(value: Value) -> Any:
    return json.dumps(value) if isinstance(value, list | tuple) else value


def _literal(value: Value) -> str | None:
    """Write a text or a list of texts into a statement; None for what goes as a parameter."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple):
        return None
    plain = [one for one in texts if isinstance(one, str) and "\0" not in one]
    if len(plain) < len(texts):
        return None
    text = plain[0] if isinstance(value, str) else _array(plain)
    return "'" + text.replace("'", "''") + "'"


def _array(texts: Sequence[str]) -> str:
    escaped = (one.replace("\\", r"\\").replace('"', r"\"") for one in texts)
    return "{" + ",".join(f'"{one}"' for one in escaped) + "}"


def _native_value(value: Value) -> Any:
    """Send a list of tuples as JSON; anything else as it is."""
    if isinstance(value, list | tuple) and value and isinstance(value[0], list | tuple):
        return json.dumps(value)
    return value
