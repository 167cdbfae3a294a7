"""Follow a project to a state: the live tree on a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from nexus.cli.show.board import Board, Document
from nexus.cli.show.lines import line_for
from nexus.cli.show.tree import run_tree

if TYPE_CHECKING:
    from rich.console import Console
    from rich.tree import Tree

    from nexus.cli.api.client import ApiClient

REFRESH_PER_SECOND: Final = 5
EMPTY_STREAM_SECONDS: Final = 0.5
KEPT_LINES: Final = 3
LONGEST_TREE: Final = 60

Until = Callable[[Board], bool]


class Follower:
    """Keeps one board current and on display."""

    def __init__(self, client: "ApiClient", project: Document, console: "Console") -> None:
        self.board = Board(project["id"], project["name"])
        self._client = client
        self._console = console
        # rich draws from a thread of its own while events change the board.
        self._lock = threading.Lock()

    def follow(self, until: Until, *, leaves_a_trace: bool = True) -> Board:
        """Show the run until `until` holds of its board or the project has ended.

        Without a trace, the tree is gone from the terminal at the end: something better follows.
        """
        if self.board.seq == 0:
            self._snapshot()
        with self._display(is_passing=not leaves_a_trace):
            while not self._is_over(until):
                if not self._read_events(until):
                    time.sleep(EMPTY_STREAM_SECONDS)
                    self._snapshot()
        return self.board

    def _read_events(self, until: Until) -> bool:
        """Read one stream to its end; answer whether anything came."""
        came = False
        for event in self._client.events(self.board.project_id, self.board.seq):
            came = True
            with self._lock:
                reshaped = self.board.apply(event)
            if reshaped:
                self._snapshot()
            self._write(event)
            if self._is_over(until):
                break
        return came

    def _is_over(self, until: Until) -> bool:
        return self.board.has_ended or until(self.board)

    def _snapshot(self) -> None:
        progress = self._client.get(f"/projects/{self.board.project_id}/progress")
        with self._lock:
            self.board.load(progress)

    def _write(self, event: Document) -> None:
        if not self._console.is_terminal:
            line = line_for(event, self.board)
            if line:
                self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _display(self, *, is_passing: bool) -> AbstractContextManager[object]:
        if not self._console.is_terminal:
            return nullcontext()
        from rich.live import Live

        return Live(
            get_renderable=self._draw,
            console=self._console,
            refresh_per_second=REFRESH_PER_SECOND,
            transient=is_passing,
        )

    def _draw(self) -> "Tree":
        lines = min(LONGEST_TREE, max(10, self._console.height - KEPT_LINES))
        with self._lock:
            return run_tree(self.board, datetime.now(UTC), lines, self._console.width)
