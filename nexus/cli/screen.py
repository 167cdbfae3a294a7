"""What the command line writes where: results to standard output, everything else to standard error."""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from nexus.errors import CallerError, NexusError

if TYPE_CHECKING:
    from rich.console import Console

MAX_PROBLEMS = 5
PLAIN_WIDTH = 140
"""Columns where there is no terminal to ask: files and pipes do not wrap."""


@cache
def results() -> "Console":
    """Return the console of results."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)


@cache
def remarks() -> "Console":
    """Return the console of progress, questions and errors."""
    from rich.console import Console

    return Console(stderr=True, width=None if sys.stderr.isatty() else PLAIN_WIDTH)


def say(line: str) -> None:
    """Write one remark; a terminal that has gone away is no reason to stop."""
    with suppress(OSError):
        sys.stderr.write(f"nexus: {line}\n")
        sys.stderr.flush()


def emit(value: Any) -> None:
    """Write a value as JSON to standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def emit_line(value: Any) -> None:
    """Write a value as one line of JSON at once: somebody may read the next before it is there."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def show_table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], empty: str) -> None:
    """Write rows as a table, or the sentence `empty` as a remark when there are none."""
    if not rows:
        say(empty)
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        # The last column takes what is left, so that a row stays whole at 80 columns.
        is_last = column == columns[-1]
        table.add_column(column, no_wrap=not is_last, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    results().print(table)


def show_error(wrong: NexusError) -> None:
    """Write what happened and what to do, without a traceback."""
    say(wrong.message)
    problems = wrong.problems if isinstance(wrong, CallerError) else ()
    with suppress(OSError):
        for problem in problems[:MAX_PROBLEMS]:
            if problem.message not in wrong.message:
                sys.stderr.write(f"  {problem.place}: {problem.message}\n")
        if wrong.hint:
            sys.stderr.write(f"  {wrong.hint}\n")
