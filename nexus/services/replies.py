"""How far the answers to messages are, looked at for all who wait for one.

However many wait, the database is asked at most once every `PACE_SECONDS`, for all whose
answer may have moved: those whose bell rang, and those not looked at for a second.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Row, Select, select

from nexus.domain.money import to_usd
from nexus.domain.seam import CallKind
from nexus.domain.states import SUBTASK_TERMINAL
from nexus.events.bell import Bell, Watch
from nexus.models.database import Database
from nexus.models.work import JournalRecord, Subtask
from nexus.services.reads import reading

PACE_SECONDS: Final = 0.05
FALLBACK_SECONDS: Final = 1.0
"""How long whoever waits trusts the bell; after it the database is asked."""

CALLS: Final = (
    JournalRecord.subtask_id,
    JournalRecord.number,
    JournalRecord.kind,
    JournalRecord.name,
    JournalRecord.outcome,
    JournalRecord.begun_at,
    JournalRecord.recorded_at,
    JournalRecord.input_tokens,
    JournalRecord.output_tokens,
    JournalRecord.cost_pico_usd,
)


@dataclass(frozen=True, slots=True)
class Made:
    """A call the agent has made: `event` and `data` as events of projects tell of it."""

    number: int
    event: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an answer is; without a status its conversation is gone."""

    status: str | None
    attempt: int
    calls: tuple[Made, ...]

    @property
    def is_over(self) -> bool:
        return self.status is None or self.status in SUBTASK_TERMINAL


@dataclass(slots=True)
class _Followed:
    watch: Watch
    followers: int = 0
    rings: int = -1  # heard by the newest look
    at: float = 0.0  # of the newest look
    standing: Standing | None = None

    def known(self) -> Standing | None:
        """What the newest look saw, while nothing may have happened since."""
        is_fresh = time.monotonic() - self.at < FALLBACK_SECONDS
        return self.standing if is_fresh and self.rings == self.watch.rings else None


@dataclass(slots=True)
class Replies:
    """The answers that somebody in this process waits for."""

    database: Database
    bell: Bell
    _followed: dict[str, _Followed] = field(default_factory=dict)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _looked_at: float = 0.0

    async def follow(self, subtask_id: str) -> AsyncGenerator[Standing]:
        """Yield how far an answer is, whenever it may have moved, its model has written, and at least every second, to its end."""
        async with self._following(subtask_id) as one:
            while True:
                moves = one.watch.moves
                standing = await self._look(one)
                yield standing
                if standing.is_over:
                    return
                await one.watch.wait(moves, FALLBACK_SECONDS)

    async def _look(self, one: _Followed) -> Standing:
        found = one.known()
        while found is None:
            async with self._looking:
                found = one.known()
                if found is None:
                    await asyncio.sleep(self._looked_at + PACE_SECONDS - time.monotonic())
                    await self._look_at_all()
                    found = one.standing
        return found

    async def _look_at_all(self) -> None:
        """Look at every answer of which nothing certain is known."""
        due = {key: one for key, one in self._followed.items() if one.known() is None}
        heard = {key: one.watch.rings for key, one in due.items()}
        self._looked_at = now = time.monotonic()
        states = select(Subtask.id, Subtask.status, Subtask.attempt).where(Subtask.id.in_(due))
        async with reading(self.database) as session:
            by_id = {row.id: row for row in await session.execute(states)}
            calls = (await session.execute(_calls(list(due)))).all()
        made: dict[str, list[Made]] = {key: [] for key in due}
        for row in calls:
            made[row.subtask_id].append(_made(row))
        for key, one in due.items():
            found = by_id.get(key)
            status, attempt = (found.status, found.attempt) if found else (None, 0)
            one.standing = Standing(status, attempt, tuple(made[key]))
            one.rings, one.at = heard[key], now

    @asynccontextmanager
    async def _following(self, subtask_id: str) -> AsyncIterator[_Followed]:
        async with self.bell.watch(subtask_id) as watch:
            one = self._followed.setdefault(subtask_id, _Followed(watch))
            one.followers += 1
            try:
                yield one
            finally:
                one.followers -= 1
                if not one.followers:
                    del self._followed[subtask_id]


def _calls(subtask_ids: list[str]) -> Select[*tuple[Any, ...]]:
    return (
        select(*CALLS)
        .where(JournalRecord.subtask_id.in_(subtask_ids))
        .where(JournalRecord.kind.in_((CallKind.MODEL, CallKind.TOOL)))
        .where(JournalRecord.recorded_at.is_not(None))
        .order_by(JournalRecord.recorded_at, JournalRecord.number)
    )


def _made(row: Row[Any]) -> Made:
    seconds = (row.recorded_at - row.begun_at) / 1_000_000
    lasted = {"duration_seconds": seconds, "outcome": row.outcome}
    if row.kind == CallKind.TOOL:
        return Made(row.number, "tool.called", {"name": row.name, **lasted})
    tokens = {"input_tokens": row.input_tokens, "output_tokens": row.output_tokens}
    usd = None if row.cost_pico_usd is None else to_usd(row.cost_pico_usd)
    return Made(
        row.number, "model.called", {"model": row.name, **tokens, "cost_usd": usd, **lasted}
    )
