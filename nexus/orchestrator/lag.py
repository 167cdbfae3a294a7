"""How far behind the worker's event loop is, measured from the pulse's thread.

An agent that computes without awaiting holds up every other run of its worker; this says
so, with its name and the line it is at. Changes nothing but what the hand says about it.
"""

import asyncio
import sys
import threading
import time
from typing import Final

import structlog

from nexus.orchestrator.hand import Hand

LAGGING_SECONDS: Final = 1.0
HUNG_SECONDS: Final = 300.0
"""A loop that has answered nothing for so long is given up: its claims go to others."""
LOOK_SECONDS: Final = 2.0
"""The most that one look adds to it: time in which nobody looked (a stopped process) is not held against it."""
NAMED: Final = 10

log = structlog.get_logger()


class Lag:
    """Made on the loop's own thread; `look` is called on another, now and then."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, hand: Hand, *, hung_seconds: float = HUNG_SECONDS
    ) -> None:
        self._hung_seconds = hung_seconds
        self._looked_at = time.monotonic()
        self._stuck = 0.0
        self._loop = loop
        self._thread = threading.get_ident()
        self._hand = hand
        self._asked_at: float | None = None
        self._answered_after = 0.0
        self._worst = 0.0

    def look(self) -> float:
        """Measure, and say when the loop falls behind and when it has caught up; in seconds."""
        now = time.monotonic()
        asked_at = self._asked_at
        behind = self._answered_after if asked_at is None else now - asked_at
        if asked_at is None and not self._loop.is_closed():
            self._asked_at = now
            self._loop.call_soon_threadsafe(self._answer, now)
        self._stuck = 0.0 if asked_at is None else self._stuck + self._since(now)
        self._looked_at = now
        self._tell(behind, is_stuck=asked_at is not None)
        return behind

    @property
    def is_hung(self) -> bool:
        """Whether the loop has been stuck for longer than anybody should wait for it."""
        return self._stuck >= self._hung_seconds

    def _since(self, now: float) -> float:
        return min(now - self._looked_at, LOOK_SECONDS)

    def _answer(self, asked_at: float) -> None:
        self._answered_after = time.monotonic() - asked_at
        self._asked_at = None

    def _tell(self, behind: float, *, is_stuck: bool) -> None:
        was_lagging, self._hand.is_lagging = self._hand.is_lagging, behind > LAGGING_SECONDS
        self._worst = max(self._worst, behind)
        if self._hand.is_lagging and not was_lagging:
            log.warning(
                "loop.lagging",
                seconds=round(behind, 1),
                running=self._running() if is_stuck else None,
                at=self._place() if is_stuck else None,
                subtasks=sorted(self._hand.held)[:NAMED],
                hint="an agent that computes for long should do so in context.step or a thread",
            )
        elif was_lagging and not self._hand.is_lagging:
            log.info("loop.caught_up", after_seconds=round(self._worst, 1))
            self._worst = 0.0

    def _running(self) -> str | None:
        """Name what the loop is stuck in: a run has the name of its subtask."""
        task = asyncio.current_task(self._loop)
        return task.get_name() if task else None

    def _place(self) -> str | None:
        frame = sys._current_frames().get(self._thread)
        return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else None
