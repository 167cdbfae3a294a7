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
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from nexus.errors import ServiceMissing, StatementRefused, StorageFull
from nexus.models.writing import (
    Begin,
    Fused,
    Lock,
    Many,
    Row,
    Scalar,
    Statement,
    T,
    Transaction,
    Value,
)

GROUP_LIMIT: Final = 256
BUSY_SECONDS: Final = 30.0
GRAIN_SECONDS: Final = 0.001
"""How long one who waits for the write lock sleeps between two tries."""

AWAY: Final = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
)
"""Errors of the file and the disk under it; any other is the statement's own."""


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
        self._door = threading.Lock()  # no job comes in behind the one that closes
        self._is_closed = False
        self._connection: sqlite3.Connection | None = None
        self._thread = threading.Thread(target=self._work, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def run(self, begin: Begin[T]) -> T:
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
            # The loop may end at any moment; nobody waits for the answer then.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, value, error)

        with self._door:
            if self._is_closed:
                raise ServiceMissing("the database is closed")
            self._jobs.put(Job(begin, deliver))
        return await future

    async def close(self) -> None:
        with self._door:
            self._is_closed = True
            self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        closing = False
        while not closing:
            jobs, closing = self._gather()
            if jobs:
                self._try_group(jobs)
                for job in jobs:
                    job.deliver(job.value, job.error)
        self._disconnect()

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

    def _try_group(self, jobs: list[Job]) -> None:
        """Commit the jobs together, or else one by one; each ends with a value or an error."""
        try:
            if self._connection is None:
                self._connection = connect(self._path)
            _begin(self._connection)
        except sqlite3.Error as wrong:
            self._fail(jobs, wrong)  # nobody can write: trying each would wait as often
            return
        try:
            for job in jobs:
                _run_under_savepoint(self._connection, job)
            self._connection.execute("COMMIT")
        except sqlite3.Error as wrong:
            self._undo()
            if len(jobs) == 1:
                self._fail(jobs, wrong)
                return
            for job in jobs:
                self._try_group([job])

    def _undo(self) -> None:
        """Take back the open transaction; a connection that cannot is given up for a new one."""
        try:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._disconnect()

    def _fail(self, jobs: list[Job], wrong: sqlite3.Error) -> None:
        for job in jobs:
            job.value, job.error = None, _readable(wrong)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


def _begin(connection: sqlite3.Connection) -> None:
    """Take the write lock soon after it is free.

    SQLite's own wait sleeps for up to 100 ms between two tries: among processes that write all
    the time it finds the lock taken for seconds, and a lease that is to be renewed runs out.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as wrong:
            is_busy = wrong.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= until:
                raise
        time.sleep(GRAIN_SECONDS)


def _run_under_savepoint(connection: sqlite3.Connection, job: Job) -> None:
    connection.execute("SAVEPOINT member")
    with job:
        job.value = drive(connection, job.begin())
    if job.error is not None:
        if not connection.in_transaction:
            # SQLite gave up the whole transaction (disk full, I/O error): the group has failed.
            raise job.error
        connection.execute("ROLLBACK TO member")
        if isinstance(job.error, sqlite3.Error):
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


def _execute(connection: sqlite3.Connection, statement: Statement) -> list[Row]:
    if isinstance(statement, Lock):
        return []
    if isinstance(statement, Fused):
        return drive(connection, statement.steps())
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
    sql = sql.replace("JSON_LIST(", "json_group_array(").replace("JSON_ROW(", "json_array(")
    sql = re.sub(r"EACH OF \$(\d+) \(([^)]*)\)", _unpacked, sql)
    sql = re.sub(r" FOR UPDATE(?: OF \w+)?", "", sql)
    return re.sub(r"\$(\d+)", r"?\1", sql)


def _unpacked(found: re.Match[str]) -> str:
    names = [column.split()[0] for column in found[2].split(",")]
    columns = ", ".join(f"value->>{at} AS {name}" for at, name in enumerate(names))
    return " ".join(("(SELECT", columns, "FROM", f"json_each(?{found[1]}))"))


def _flat(value: Value) -> Scalar:
    if isinstance(value, list | tuple):
        return json.dumps(value)
    if value is None or isinstance(value, str | int | float | bytes):
        return value
    raise TypeError(f"{type(value).__name__} cannot be stored")


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection with Nexus's durability: WAL, an fsync at every commit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path, isolation_level=None, cached_statements=512, timeout=BUSY_SECONDS
    )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA temp_store=MEMORY")
    # What is deleted is overwritten, not only let go of.
    connection.execute("PRAGMA secure_delete=ON")
    connection.execute("PRAGMA busy_timeout=0")  # `_begin` waits, and nothing else has to
    connection.create_function("NOW_US", 0, lambda: time.time_ns() // 1000)
    return connection


def _readable(wrong: sqlite3.Error) -> ServiceMissing | StatementRefused:
    if getattr(wrong, "sqlite_errorcode", 0) & 0xFF not in AWAY:
        return StatementRefused(f"SQLite refused a statement: {type(wrong).__name__}: {wrong}")
    if wrong.sqlite_errorcode == sqlite3.SQLITE_FULL:
        return StorageFull("the disk of the SQLite database is full", hint="free some space on it")
    return ServiceMissing(
        f"the SQLite database could not be written: {wrong}",
        hint="check free disk space, permissions, and that no other program holds the file",
    )
