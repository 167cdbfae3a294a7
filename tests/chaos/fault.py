"""What a fault is, and the list of them all."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.chaos import faults

if TYPE_CHECKING:
    from tests.chaos.world import World

Figures = dict[str, float | int | str]
Run = Callable[["World"], Awaitable[Figures]]
DATABASES: Final = ("sqlite", "postgresql")


class Violation(AssertionError):
    """Something that must hold did not; the message says what."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the matrix.

    `runs`: how often the whole matrix does it on each database; `short`: how often the
    tests do, 0 for what takes too long there, and on which: most in turns, one here, one there.
    What is `alone` bears no other run beside it.
    """

    name: str
    row: str
    run: Run
    runs: int
    short: int
    databases: tuple[str, ...]
    short_databases: tuple[str, ...]
    limit_seconds: float
    alone: bool


_known: Final[dict[str, Fault]] = {}


def fault(
    name: str,
    *,
    row: str,
    runs: int = 20,
    short: int = 1,
    databases: tuple[str, ...] = DATABASES,
    short_databases: tuple[str, ...] | None = None,
    limit_seconds: float = 120.0,
    alone: bool = False,
) -> Callable[[Run], Run]:
    """Enter a function as a row of the matrix."""

    def enter(run: Run) -> Run:
        if name in _known:
            raise ValueError(f"two faults are called {name!r}")
        few = databases if short_databases is None else short_databases
        _known[name] = Fault(name, row, run, runs, short, databases, few, limit_seconds, alone)
        return run

    return enter


def all_faults() -> dict[str, Fault]:
    """Import every file of the folder; return the faults by name, in the files' order."""
    for module in sorted(found.name for found in pkgutil.iter_modules(faults.__path__)):
        importlib.import_module(f"{faults.__name__}.{module}")
    return dict(_known)


def require(holds: object, message: str) -> None:
    """Raise a Violation with `message` unless it holds."""
    if not holds:
        raise Violation(message)
