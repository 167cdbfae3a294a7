"""A client that posts projects one after another while something is done to the installation.

It keeps every answer. What was refused for the moment is sent again with its
Idempotency-Key, as a client should.
"""

import asyncio
import itertools
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self

import httpx2

from tests.chaos.fault import require
from tests.chaos.world import World

PAUSE_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its status (0: the connection broke), when it came and after how long."""

    status: int
    at: float
    seconds: float
    headers: Mapping[str, str]


@dataclass
class Posting:
    """Posts from the beginning of an `async with` to its end; the last project is accepted then."""

    world: World
    plan: Mapping[str, Any]
    answers: list[Answer] = field(default_factory=list)
    projects: list[str] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._stop = asyncio.Event()
        self._posting = asyncio.create_task(self._post_all())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if error is not None:
            self._posting.cancel()
            with suppress(asyncio.CancelledError):
                await self._posting
        else:
            await self._posting

    def statuses(self) -> set[int]:
        """The different statuses answered so far."""
        return {answer.status for answer in self.answers}

    def slowest(self) -> float:
        """Seconds the slowest answer took."""
        return round(max((answer.seconds for answer in self.answers), default=0.0), 2)

    async def _post_all(self) -> None:
        async with self.world.client() as http:
            for number in itertools.count():
                if self._stop.is_set():
                    return
                await self._post(http, f"posted-{number}")
                await asyncio.sleep(PAUSE_SECONDS)

    async def _post(self, http: httpx2.AsyncClient, goal: str) -> None:
        body = {"goal": goal, "plan": self.plan, "auto_execute": True}
        while True:
            began = monotonic()
            status, headers, made = 0, {}, ""
            with suppress(httpx2.TransportError):
                answer = await http.post("/projects", json=body, headers={"Idempotency-Key": goal})
                status, headers = answer.status_code, dict(answer.headers)
                made = answer.json().get("id") or answer.text
            now = monotonic()
            self.answers.append(Answer(status, now, now - began, headers))
            if 200 <= status < 300:
                self.world.accepted.add(made)
                self.projects.append(made)
                return
            require(status in (0, 503), f"POST /projects answered {status}: {made}")
            await asyncio.sleep(PAUSE_SECONDS)
