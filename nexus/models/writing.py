"""How every write reaches the database: a transaction is a generator of statements.

A transaction yields `Query` and `Many` statements and receives rows; it never awaits.
The SQLite writer drives it on its one writer thread, the PostgreSQL writer over one
connection: the same code, no second copy for the other database.

Statements are written once for both: numbered parameters `$1`, `NOW_US()` for the
database's clock in microseconds, `IN EACH($1)` for membership in a list parameter, and
`EACH OF $1 (id TEXT, claim BIGINT) AS j` for a list of tuples read as a table,
`JSON_LIST(JSON_ROW(a, b))` for an aggregate of JSON lists (of nothing: null or empty).
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

Cell = str | int | float | None
Scalar = Cell | bytes
Value = Scalar | Sequence[str] | Sequence[int] | Sequence[Sequence[Cell]]
Row = Sequence[Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Query:
    """One statement; the transaction receives its rows (empty without RETURNING)."""

    sql: str
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Many:
    """One statement run for each tuple of values; the transaction receives no rows."""

    sql: str
    rows: Sequence[tuple[Value, ...]]


@dataclass(frozen=True, slots=True)
class Lock:
    """A query that only takes row locks; the transaction receives no rows.

    SQLite passes it over: its one writer has locked the whole database.
    """

    sql: str
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Fused:
    """Several statements of which PostgreSQL makes one, to spare their round trips.

    `sql` gives one row of JSON arrays, each a table; `steps` is a transaction that gives the
    same tables one after another, for SQLite. Lists in `values` are read with EACH OF.
    """

    sql: str
    values: tuple[Value, ...]
    steps: Callable[[], "Transaction[list[Row]]"]


Statement = Query | Many | Lock | Fused
Transaction = Generator[Statement, list[Row], T]
"""A generator of statements that returns a T; raising undoes everything it did."""


Begin = Callable[[], Transaction[T]]
"""Starts a transaction afresh: a writer may have to run it again after a conflict."""


class Writer(Protocol):
    """Runs transactions, each whole or not at all; returns only after the commit."""

    async def run(self, begin: Begin[T]) -> T:
        """Run one transaction.

        Raises:
            ServiceMissing: the database is out of reach; with the code `outcome_unknown`
                the commit may or may not have happened.
        """
        ...

    async def close(self) -> None:
        """Finish what was accepted, then let go of the database."""
        ...
