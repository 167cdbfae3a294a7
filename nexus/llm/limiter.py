"""The limiter before one model: how many requests may be open, and whether any may be sent now.

One a model and process, made by the model book. A request that may not be sent raises
`NotNow` at once; the subtask goes back to the queue and does not sleep on its slot.
"""

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from contextvars import ContextVar
from typing import Final

from nexus.errors import NotNow, ServiceMissing
from nexus.llm.quota import Board, Quota

FIRST_OPEN: Final = 1
DOUBLES_SECONDS: Final = 0.2
OF_ANSWERS: Final = 0.3
"""A burst begins with few requests, so that a refusal is heard before all are sent: a share of
those that were answered, and twice as many whenever nothing is heard for a while."""
IDLE_SECONDS: Final = 60.0
TICK_SECONDS: Final = 0.05
UNTOLD_SECONDS: Final = 2.0
"""How long a server that names no time is left alone."""
FAILURES: Final = 5
BROKEN_SECONDS: Final = 10.0
MOST_OPEN: Final = 100_000


class LocalBoard:
    """Limits as one process alone has met them."""

    def __init__(self) -> None:
        self._quotas: dict[str, Quota] = {}

    async def admit(self, model: str, count: int) -> tuple[float, ...]:
        return self._quotas.setdefault(model, Quota()).admit(time.monotonic(), count)

    async def refuse(self, model: str, seconds: float) -> None:
        self._quotas.setdefault(model, Quota()).refuse(time.monotonic(), seconds)


class Boards:
    """The board of all workers, and this one's own while that is out of reach."""

    def __init__(self, shared: Board | None = None) -> None:
        self._shared = shared
        self._local = LocalBoard()

    async def admit(self, model: str, count: int) -> tuple[float, ...]:
        """See `Board.admit`."""
        if self._shared is not None:
            with suppress(ServiceMissing):
                return await self._shared.admit(model, count)
        return await self._local.admit(model, count)

    async def refuse(self, model: str, seconds: float) -> None:
        """Note a refusal where all workers see it, and here."""
        await self._local.refuse(model, seconds)
        if self._shared is not None:
            with suppress(ServiceMissing):
                await self._shared.refuse(model, seconds)


class Permit:
    """The right to one request; given back once."""

    def __init__(self, limiter: "Limiter", places: AsyncExitStack) -> None:
        self.limiter = limiter
        self._places = places

    async def give_back(self) -> None:
        """Let the next one in."""
        await self._places.aclose()


PERMIT: Final[ContextVar[Permit | None]] = ContextVar("model_permit", default=None)
"""What the journal's gate obtained for the request that follows."""


class Limiter:
    """Guards one model; `cap` bounds the open requests to its provider."""

    def __init__(self, name: str, boards: Boards, cap: asyncio.Semaphore | None = None) -> None:
        self.name = name
        self._boards = boards
        self._cap = cap
        self._open = 0
        self._remaining = MOST_OPEN
        self._freed = asyncio.Event()
        self._limit = FIRST_OPEN
        self._answers = 0
        self._raised_at = 0.0
        self._used_at = -IDLE_SECONDS
        self._wanting: list[asyncio.Future[float]] = []
        self._asking: asyncio.Task[None] | None = None
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
            self._open += 1
            undo.callback(self._leave)
            wait = await self._ask()
            if wait > 0:
                self._rise_anew()
                raise self._not_now(wait)
            return Permit(self, undo.pop_all())

    def _leave(self) -> None:
        self._open -= 1
        self._freed.set()

    async def refused(self, seconds: float | None) -> float:
        """Note that the server refused; return how long it is left alone."""
        self._rise_anew()
        wait = UNTOLD_SECONDS if seconds is None else seconds
        await self._boards.refuse(self.name, wait)
        return wait

    async def heard(self, remaining: int | None, reset_seconds: float | None) -> None:
        """Note what an answer said of the limit: with nothing remaining it closes until then."""
        self._failures, self._broken_until = 0, 0.0
        self._answers += 1
        self._raised_at = time.monotonic()
        self._remaining = MOST_OPEN if remaining is None else max(1, remaining)
        if remaining == 0 and reset_seconds:
            await self._boards.refuse(self.name, reset_seconds)

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

    def _rise_anew(self) -> None:
        self._limit, self._answers, self._raised_at = FIRST_OPEN, 0, time.monotonic()

    async def _room(self) -> None:
        now = time.monotonic()
        if now - self._used_at > IDLE_SECONDS:
            self._rise_anew()
        self._used_at = now
        while self._open >= self._window():
            self._freed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._freed.wait()

    def _window(self) -> int:
        """Say how many may be open; a process that stood still doubles it once all the same."""
        now = time.monotonic()
        if now - self._raised_at >= DOUBLES_SECONDS:
            self._limit, self._raised_at = min(self._limit * 2, MOST_OPEN), now
        self._limit = max(self._limit, int(self._answers * OF_ANSWERS))
        return min(self._limit, self._remaining)

    async def _ask(self) -> float:
        """Ask the board; those who ask while an answer is under way ask together."""
        answer: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._wanting.append(answer)
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_for_all())
        return await answer

    async def _ask_for_all(self) -> None:
        while self._wanting:
            asking, self._wanting = self._wanting, []
            admitting = asyncio.ensure_future(self._boards.admit(self.name, len(asking)))
            await asyncio.wait({admitting})
            wrong = admitting.exception()
            if wrong:
                for answer in asking:
                    if not answer.done():
                        answer.set_exception(wrong)
                continue
            for answer, wait in zip(asking, admitting.result(), strict=True):
                if not answer.done():
                    answer.set_result(wait)

    def _not_now(self, wait: float) -> NotNow:
        return NotNow(
            f"the model {self.name} is limiting requests; it is asked again in {wait:.1f} s",
            hint="wait for the limit to pass, or raise it at the provider",
            code="model_rate_limited",
            retry_after_seconds=wait,
        )
