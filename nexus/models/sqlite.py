"""The SQLite writer: one raw connection on one writer thread.

Transactions that arrive while another commits share the next commit. Each runs under a
savepoint, so one that raises takes nothing of its neighbours with it; when the common
commit fails they are tried again one by one.
"""

import asyncio
import json
import queue
import re
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from nexus.errors import ServiceMissing
from nexus.models.writing import Begin, Many, Query, Row, T, Transaction, Value

GROUP_LIMIT: Final = 256
BUSY_MS: Final = 30_000


@dataclass(slots=True)
class Job:
    """A transaction waiting for the thread, and what became of it."""

    begin: Begin[Any]
    deliver: Callable[[Any, BaseException | None], None]
    value: Any = None
    error: BaseException | None = None

    def __enter__(self) -> None:
        self.value, self.error = None, None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Keep whatever the transaction raised for the one who waits for it."""
        self.error = error
        return True


class SqliteWriter:
    """Owns the connection; every method but `run` and `close` runs on the writer thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def run(self, begin: Begin[T]) -> T:
        if not self._thread.is_alive():
            raise ServiceMissing("the database is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(value: T, error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)

        def deliver(value: T, error: BaseException | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, value, error)

        self._jobs.put(Job(begin, deliver))
        return await future

    async def close(self) -> None:
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        connection = connect(self._path)
        closing = False
        while not closing:
            jobs, closing = self._gather()
            if jobs:
                self._commit_group(connection, jobs)
                for job in jobs:
                    job.deliver(job.value, job.error)
        connection.close()

    def _gather(self) -> tuple[list[Job], bool]:
        """Wait for a job, then take what else is there; also say whether to close."""
        jobs: list[Job] = []
        job = self._jobs.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) == GROUP_LIMIT:
                return jobs, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _commit_group(self, connection: sqlite3.Connection, jobs: list[Job]) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                _run_under_savepoint(connection, job)
            connection.execute("COMMIT")
        except sqlite3.Error as wrong:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if len(jobs) > 1:
                for job in jobs:
                    self._commit_group(connection, [job])
            else:
                jobs[0].error = _readable(wrong)


def _run_under_savepoint(connection: sqlite3.Connection, job: Job) -> None:
    connection.execute("SAVEPOINT member")
    with job:
        job.value = drive(connection, job.begin())
    if job.error is not None:
        if not connection.in_transaction:
            # SQLite gave up the whole transaction (disk full, I/O error): the group has failed.
            raise sqlite3.OperationalError(str(job.error)) from job.error
        connection.execute("ROLLBACK TO member")
        if isinstance(job.error, sqlite3.OperationalError):
            job.error = _readable(job.error)
    connection.execute("RELEASE member")


def drive(connection: sqlite3.Connection, transaction: Transaction[T]) -> T:
    """Feed a transaction's statements to the connection until it returns."""
    try:
        statement = next(transaction)
        while True:
            statement = transaction.send(_execute(connection, statement))
    except StopIteration as end:
        result: T = end.value
        return result


def _execute(connection: sqlite3.Connection, statement: Query | Many) -> list[Row]:
    sql = _numbered(statement.sql)
    if isinstance(statement, Many):
        connection.executemany(sql, statement.rows)
        return []
    values = [_flat(value) for value in statement.values]
    return connection.execute(sql, values).fetchall()


@cache
def _numbered(sql: str) -> str:
    """Write the shared form of a statement the way SQLite wants it."""
    sql = re.sub(r"IN EACH\(\$(\d+)\)", r"IN (SELECT value FROM json_each(?\1))", sql)
    sql = sql.replace(" FOR UPDATE", "")
    return re.sub(r"\$(\d+)", r"?\1", sql)


def _flat(value: Value) -> str | int | float | bytes | None:
    if isinstance(value, list | tuple):
        return json.dumps(value)
    if value is None or isinstance(value, str | int | float | bytes):
        return value
    raise TypeError(f"{type(value).__name__} cannot be stored")


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection with Nexus's durability: WAL, an fsync at every commit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path, isolation_level=None, cached_statements=512, timeout=BUSY_MS / 1000
    )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.create_function("NOW_US", 0, lambda: time.time_ns() // 1000)
    return connection


def _readable(wrong: sqlite3.Error) -> ServiceMissing:
    return ServiceMissing(
        f"the SQLite database could not be written: {wrong}",
        hint="check free disk space, permissions, and that no other program holds the file",
    )
