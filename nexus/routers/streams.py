"""How many event streams are open, and whether the server is closing: a stream must not hold it up."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from nexus.errors import ServiceMissing

MAX_STREAMS: Final = 2_000
REST_SECONDS: Final = 0.000_25
"""For each open stream: at most 4,000 pages a second in all."""


class Streams:
    """The open event streams of this process."""

    def __init__(self, is_closing: Callable[[], bool], limit: int = MAX_STREAMS) -> None:
        self.is_closing = is_closing
        self._limit = limit
        self._open = 0

    def require_room(self) -> None:
        """Refuse another stream when there are too many.

        Raises:
            ServiceMissing: this process follows as many projects as it can.
        """
        if self._open >= self._limit:
            raise ServiceMissing(
                "this server has no room for another event stream",
                code="too_many_streams",
                hint="try again, or read the events in pages",
            )

    def rest_seconds(self) -> float:
        """Say how long a stream rests after each page, so that all together leave time for others."""
        return self._open * REST_SECONDS

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count a stream for as long as it is open."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1


def server_state() -> Callable[[], bool]:
    """Find out how to ask the server that runs this process whether it is closing.

    uvicorn ends open connections before it ends the lifespan, so that the lifespan cannot
    tell streams to stop. Its signal handler is a method of the server, which knows.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return lambda: bool(getattr(server, "should_exit", False))
