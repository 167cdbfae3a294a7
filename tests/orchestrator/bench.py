"""The engine's own transactions on a real SQLite connection, with a clock that a test turns."""

import itertools
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from nexus.models.sqlite import connect, drive
from nexus.models.writing import Transaction
from nexus.orchestrator.advancing import close
from nexus.orchestrator.turn import Turn

T = TypeVar("T")


class Machine(RuleBasedStateMachine):
    """A state machine over the engine's transactions; `empty` is the database it copies."""

    empty: sqlite3.Connection


def prove(machine: type[Machine], empty: sqlite3.Connection, examples: int = 60) -> None:
    """Run a state machine over copies of an empty database."""
    machine.empty = empty
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


class Ledger:
    """A database in memory; one act is one transaction."""

    def __init__(self, empty: sqlite3.Connection) -> None:
        self.now = 1_000_000_000_000
        self._connection = connect(Path(":memory:"))
        empty.backup(self._connection)
        self._connection.create_function("NOW_US", 0, self._tick)
        self._connection.row_factory = sqlite3.Row

    def _tick(self) -> int:
        self.now += 1
        return self.now

    def run(self, act: Callable[[Turn], Transaction[T]]) -> T:
        """Commit an act with its events; undo it when it raises."""
        turn = Turn()

        def whole() -> Transaction[T]:
            result = yield from act(turn)
            yield from close(turn)
            return result

        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = drive(self._connection, whole())
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return result

    def work_of(self, act: Callable[[Turn], Transaction[T]]) -> tuple[T, int]:
        """Commit an act; also count the instructions of SQLite's machine it took."""
        count = itertools.count()
        self._connection.set_progress_handler(lambda: next(count) < 0, 1)
        try:
            result = self.run(act)
        finally:
            self._connection.set_progress_handler(None, 1)
        return result, next(count)

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Read."""
        return self._connection.execute(sql, values).fetchall()

    def close(self) -> None:
        self._connection.close()
