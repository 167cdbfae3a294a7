"""Reading SQLite in threads: a question costs one hop to a thread, and its work holds no lock of Python's."""

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote

from nexus.errors import ServiceMissing, StatementRefused
from nexus.models.snapshots import put
from nexus.models.sqlite import AWAY, BUSY_SECONDS
from nexus.models.writing import Query, Row

CACHE_KIB: Final = 8_192
"""Of pages, for each connection, if it comes to need them: searches read all over the file."""
WORDS: Final = {
    r"IN JSON\(\$(\d+)\)": r"IN (SELECT value FROM json_each(?\1))",
    r"\$(\d+)": r"?\1",
    r"RFC3339\(([\w.]+)\)": r"strftime('%Y-%m-%dT%H:%M:%S.', \1 / 1000000, 'unixepoch') "
    r"|| substr(1000000 + \1 % 1000000, 2) || 'Z'",
    r"JSON_OBJECT\(": "json_object(",
    r"JSON_ROW\(": "json_array(",
    r"JSON_ALL\(": "json_group_array(",
    r"JOINED\(": "group_concat(",
}


class SqliteSnapshots:
    """A thread for each connection."""

    def __init__(self, path: Path, readers: int) -> None:
        self._path = path
        self._is_closed = False
        self._own = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._threads = ThreadPoolExecutor(readers, thread_name_prefix="sqlite-reader")

    async def read(self, questions: Sequence[Query]) -> list[Sequence[Row]]:
        if self._is_closed:
            raise ServiceMissing("the database is closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._read, questions)

    async def close(self) -> None:
        self._is_closed = True
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._opened:
            connection.close()

    def _read(self, questions: Sequence[Query]) -> list[Sequence[Row]]:
        try:
            connection = self._connection()
            if len(questions) == 1:
                return [_answer(connection, questions[0])]
            connection.execute("BEGIN")
            try:
                return [_answer(connection, question) for question in questions]
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as wrong:
            raise _unread(wrong) from wrong

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if found is None:
            found = sqlite3.connect(
                f"file:{quote(str(self._path))}?mode=rw",  # never makes an empty one
                uri=True,
                isolation_level=None,
                timeout=BUSY_SECONDS,
                check_same_thread=False,  # `close` runs on another thread, after this one's end
            )
            found.execute("PRAGMA query_only=ON")
            found.execute("PRAGMA temp_store=MEMORY")
            found.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
            self._own.connection = found
            self._opened.append(found)
        return found


def _answer(connection: sqlite3.Connection, question: Query) -> list[Row]:
    return connection.execute(_own(question.sql), question.values).fetchall()


@cache
def _own(sql: str) -> str:
    return put(sql, WORDS)


def _unread(wrong: sqlite3.Error) -> ServiceMissing | StatementRefused:
    if getattr(wrong, "sqlite_errorcode", 0) & 0xFF not in AWAY:
        return StatementRefused(f"SQLite refused a question: {type(wrong).__name__}: {wrong}")
    return ServiceMissing(
        f"the SQLite database could not be read: {wrong}",
        hint="check permissions, and that no other program holds the file",
    )
