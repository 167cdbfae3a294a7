"""How the reads that must stay quick reach the database: statements over one snapshot, bare rows.

`Database.ask` calls it; nothing is written through it. Statements are written once for both
databases: `$1`, and words in capitals for what each renders in its own way. JSON made here
is text that goes to clients as it is, without ever becoming objects of Python.

`IN JSON($1)` is membership in a JSON array of strings, given as text; `RFC3339(x)` writes
microseconds since 1970; `JSON_OBJECT`, `JSON_ROW` and `JSON_ALL` are an object, an array and
the array of a group's values; `JOINED(x, y)` is the texts of a group with y between them.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from nexus.models.writing import Query, Row


class Snapshots(Protocol):
    """Reads over a few connections of its own."""

    async def read(self, questions: Sequence[Query]) -> list[Sequence[Row]]:
        """Answer all questions from one snapshot; one alone needs no transaction.

        Raises:
            ServiceMissing: the database is out of reach.
        """
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...


def put(sql: str, words: Mapping[str, str]) -> str:
    """Replace the shared words (patterns) by a database's own (templates)."""
    for word, own in words.items():
        sql = re.sub(word, own, sql)
    return sql
