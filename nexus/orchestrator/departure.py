"""How a worker process ends when it is told to: by itself, or at the latest by a deadline.

The deadline is kept by a thread, for an agent may hold up the event loop, or a thread of
its own may never end. The worker makes one; nothing else ends the process.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

import structlog

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger()


class Departure:
    """Sets `stop` at the first signal; a second one kills.

    Args:
        seconds: from the first signal to the deadline.
    """

    def __init__(self, stop: asyncio.Event, seconds: float) -> None:
        self._stop = stop
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self.last_act: Callable[[], None] | None = None
        """Gives back what the worker holds, from any thread, within a few seconds."""

    def listen(self) -> None:
        """Wait for a signal from now on; on the main thread.

        Handlers of Python's own, not of the loop: they run although an agent holds it up.
        """
        for number in SIGNALS:
            signal.signal(number, self._told)

    def _told(self, number: int, frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        self._loop.call_soon_threadsafe(self._stop.set)
        timer = threading.Timer(self._seconds, self._end)
        timer.daemon = True
        timer.start()

    def _end(self) -> None:
        log.warning("worker.cut_short", after_seconds=self._seconds)
        try:
            if self.last_act is not None:
                self.last_act()
        finally:
            os._exit(0)
