"""Asks what a model lets through: of the board all workers share, or of this process' own.

Used by the limiter of each model. Nobody waits for an answer while no limit is known.
"""

import asyncio
import time
from contextlib import suppress
from typing import Final

from nexus.domain.rates import Admission, Board
from nexus.errors import ServiceMissing
from nexus.llm.quota import Quota

FREE_SECONDS: Final = 0.25
"""How long the word that no limit is known is taken as true; requests are counted afterwards."""
LINGER_SECONDS: Final = 0.02


class LocalBoard:
    """Limits as one process alone has met them."""

    def __init__(self) -> None:
        self._quotas: dict[str, Quota] = {}

    async def admit(self, model: str, sent: int, count: int) -> Admission:
        return self._quotas.setdefault(model, Quota()).admit(time.monotonic(), sent, count)

    async def refuse(self, model: str, seconds: float) -> None:
        self._quotas.setdefault(model, Quota()).refuse(time.monotonic(), seconds)


class Boards:
    """The board of all workers, and this one's own while that is out of reach."""

    def __init__(self, shared: Board | None = None) -> None:
        self._shared = shared
        self._local = LocalBoard()

    async def admit(self, model: str, sent: int, count: int) -> Admission:
        """See `Board.admit`."""
        if self._shared is not None:
            with suppress(ServiceMissing):
                return await self._shared.admit(model, sent, count)
        return await self._local.admit(model, sent, count)

    async def refuse(self, model: str, seconds: float) -> None:
        """Note a refusal where all workers see it, and here."""
        await self._local.refuse(model, seconds)
        if self._shared is not None:
            with suppress(ServiceMissing):
                await self._shared.refuse(model, seconds)


class Counter:
    """Asks the board for one model; who asks while an answer is under way asks together.

    While no limit is known nobody waits for the answer: the count follows the request.
    """

    def __init__(self, name: str, boards: Boards) -> None:
        self._name = name
        self._boards = boards
        self._wanting: list[asyncio.Future[float]] = []
        self._uncounted = 0
        self._free_until = 0.0
        self._asking: asyncio.Task[None] | None = None

    async def ask(self) -> float:
        """Return 0 for a request that may be sent, else in how many seconds to ask again."""
        if time.monotonic() < self._free_until:
            self._uncounted += 1
            self._begin()
            return 0.0
        answer: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._wanting.append(answer)
        self._begin()
        return await answer

    async def refuse(self, seconds: float) -> None:
        """Note that the server refused a request for so long."""
        self._free_until = 0.0
        sent, self._uncounted = self._uncounted, 0
        if sent:
            await self._boards.admit(self._name, sent, 0)
        await self._boards.refuse(self._name, seconds)

    def _begin(self) -> None:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_for_all())

    async def _ask_for_all(self) -> None:
        while self._wanting or self._uncounted:
            if not self._wanting:
                await asyncio.sleep(LINGER_SECONDS)
            asking, self._wanting = self._wanting, []
            sent, self._uncounted = self._uncounted, 0
            admitting = asyncio.ensure_future(self._boards.admit(self._name, sent, len(asking)))
            await asyncio.wait({admitting})
            self._answer(asking, admitting)

    def _answer(
        self, asking: list[asyncio.Future[float]], admitting: "asyncio.Future[Admission]"
    ) -> None:
        """Hand out what was said."""
        self._free_until = 0.0
        wrong = admitting.exception()
        if wrong is None and admitting.result().is_free:
            self._free_until = time.monotonic() + FREE_SECONDS
        for at, answer in enumerate(asking):
            if answer.done():
                continue
            if wrong is not None:
                answer.set_exception(wrong)
            else:
                answer.set_result(admitting.result().waits[at])
