"""The limiter before one model: how many requests may be open, and whether any may be sent now.

One a model and process, made by the model book. A request that may not be sent raises
`NotNow` at once; the subtask goes back to the queue and does not sleep on its slot.
"""

import asyncio
import time
from collections import deque
from contextlib import AsyncExitStack
from contextvars import ContextVar
from typing import Final

from nexus.errors import NotNow
from nexus.llm.boards import Boards, Counter
from nexus.llm.slow_start import SlowStart

TICK_SECONDS: Final = 0.05
UNTOLD_SECONDS: Final = 2.0
"""How long a server that names no time is left alone."""
FAILURES: Final = 5
BROKEN_SECONDS: Final = 10.0


class Permit:
    """The right to one request; given back once."""

    def __init__(self, limiter: "Limiter", places: AsyncExitStack) -> None:
        self.limiter = limiter
        self._places = places

    async def give_back(self) -> None:
        """Let the next one in."""
        await self._places.aclose()


PERMIT: Final[ContextVar[Permit | None]] = ContextVar("model_permit", default=None)
"""What the journal obtained for the request that follows."""


class Limiter:
    """Guards one model; `cap` bounds the open requests to its provider."""

    def __init__(self, name: str, boards: Boards, cap: asyncio.Semaphore | None = None) -> None:
        self.name = name
        self._counter = Counter(name, boards)
        self._cap = cap
        self._open = 0
        self._start = SlowStart()
        self._queue: deque[asyncio.Future[None]] = deque()
        self._tick: asyncio.TimerHandle | None = None
        self._failures = 0
        self._broken_until = 0.0

    async def enter(self) -> Permit:
        """Wait for room, then obtain the right to one request.

        Raises:
            NotNow: the model's rate limit lets none through.
        """
        if self._cap is not None:
            await self._cap.acquire()
        async with AsyncExitStack() as undo:
            if self._cap is not None:
                undo.callback(self._cap.release)
            await self._room()
            undo.callback(self._leave)
            wait = await self._counter.ask()
            if wait > 0:
                self._start.begin_anew()
                raise self._not_now(wait)
            return Permit(self, undo.pop_all())

    async def refused(self, seconds: float | None) -> float:
        """Note that the server refused; return how long it is left alone."""
        self._start.begin_anew()
        wait = UNTOLD_SECONDS if seconds is None else seconds
        await self._counter.refuse(wait)
        return wait

    async def heard(self, remaining: int | None, reset_seconds: float | None) -> None:
        """Note what an answer said of the limit: with nothing remaining it closes until then."""
        self._failures, self._broken_until = 0, 0.0
        self._start.answered(remaining)
        if remaining == 0 and reset_seconds:
            await self._counter.refuse(reset_seconds)

    def failed(self) -> None:
        """Count a failure of the server; so many in a row break the circuit for a while."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._broken_until = time.monotonic() + BROKEN_SECONDS

    def is_broken(self) -> bool:
        """Tell whether a chain should pass this model over; now and then one request is let try."""
        now = time.monotonic()
        if self._failures < FAILURES:
            return False
        if now < self._broken_until:
            return True
        self._broken_until = now + BROKEN_SECONDS
        return False

    async def _room(self) -> None:
        """Take a place, in the order of asking."""
        self._start.used(time.monotonic())
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        self._let_in()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        self._open -= 1
        self._let_in()

    def _let_in(self) -> None:
        """Give out what room there is; look again in a while if somebody still waits."""
        width = self._start.width()
        while self._queue and self._open < width:
            place = self._queue.popleft()
            if not place.done():
                self._open += 1
                place.set_result(None)
        if self._queue and self._tick is None:
            self._tick = asyncio.get_running_loop().call_later(TICK_SECONDS, self._look_again)

    def _look_again(self) -> None:
        tick, self._tick = self._tick, None
        late = asyncio.get_running_loop().time() - tick.when() if tick else 0.0
        self._start.waited(in_time=late < TICK_SECONDS)
        self._let_in()

    def _not_now(self, wait: float) -> NotNow:
        return NotNow(
            f"the model {self.name} is limiting requests; it is asked again in {wait:.1f} s",
            hint="wait for the limit to pass, or raise it at the provider",
            code="model_rate_limited",
            retry_after_seconds=wait,
        )
