"""Commits are counted in SQLite's own log."""

import sqlite3
from contextlib import closing
from pathlib import Path

from benchmarks.commits import count_commits


def test_each_commit_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE things (name TEXT)")
        log = tmp_path / "some.db-wal"
        before = count_commits(log)
        for at in range(3):
            connection.execute("INSERT INTO things VALUES (?)", (f"thing {at}",))
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO things VALUES (?)", [("x" * 5_000,)] * 20)
        connection.execute("COMMIT")
        assert count_commits(log) - before == 4
