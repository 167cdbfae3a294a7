"""The seam over the journal: replays what is recorded, makes what is not, under one claim.

Records are keyed by kind, key, argument fingerprint and occurrence, model calls by their
generation as well; never by position alone.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

from sqlalchemy import select

from nexus.domain.seam import Call, CallKind, Effect, Json, Recorded, Usage
from nexus.domain.text import clean, dumps
from nexus.errors import Fenced, LimitReached, NexusError, PermanentFailure
from nexus.failpoints import failpoint
from nexus.models.database import Database
from nexus.models.work import JournalRecord
from nexus.orchestrator.claiming import Claimed
from nexus.orchestrator.desk import Desk
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.recording import Intent, supersede

Slot = tuple[str, int, str, str]
RECORDED: Final = "recorded"
BEGUN: Final = "begun"
FAILED: Final = "failed"
KEY_LENGTH: Final = 200


@dataclass(slots=True)
class Entry:
    """A journal record as replay needs it."""

    number: int
    slot: Slot
    status: str
    value: Json
    used: bool = False


@dataclass(slots=True)
class Journal:
    """The records of one subtask and the calls met so far in this run."""

    entries: list[Entry] = field(default_factory=list)
    met: dict[Slot, int] = field(default_factory=dict)
    failed: set[Slot] = field(default_factory=set)  # asked for before, in vain
    numbers: int = 0
    model_calls: int = 0

    def find(self, slot: Slot) -> tuple[int, Entry | None]:
        """Return the occurrence of the call that is met now and its record, if there is one."""
        occurrence = self.met.get(slot, 0)
        self.met[slot] = occurrence + 1
        matching = [one for one in self.entries if one.slot == slot]
        found = matching[occurrence] if occurrence < len(matching) else None
        if found:
            found.used = True
        return occurrence, found

    def tail(self, generation: int) -> list[int]:
        """List recorded model calls of this generation that this run has not come to."""
        return [
            one.number
            for one in self.entries
            if one.slot[:2] == (CallKind.MODEL.value, generation)
            and one.status == RECORDED
            and not one.used
        ]

    def forget(self, numbers: list[int]) -> None:
        """Drop superseded records."""
        self.entries = [one for one in self.entries if one.number not in numbers]


async def read_journal(database: Database, claimed: Claimed) -> Journal:
    """Load what earlier claims recorded; empty without a query for a first claim."""
    journal = Journal()
    if not claimed.has_history:
        return journal
    async with database.read() as session:
        rows = await session.execute(
            select(JournalRecord)
            .where(JournalRecord.subtask_id == claimed.held.subtask_id)
            .order_by(JournalRecord.number)
        )
        for row in rows.scalars():
            journal.numbers = row.number + 1
            journal.model_calls += row.kind == CallKind.MODEL.value
            slot = (row.kind, row.generation, row.key, row.fingerprint)
            if row.status == FAILED:
                journal.failed.add(slot)
            if row.status in (RECORDED, BEGUN):
                journal.entries.append(Entry(row.number, slot, row.status, row.result))
    return journal


class JournalSeam:
    """Implements `Seam` for one claim."""

    def __init__(
        self, engine: WorkflowEngine, desk: Desk, claimed: Claimed, journal: Journal
    ) -> None:
        self._engine = engine
        self._desk = desk
        self._claimed = claimed
        self._journal = journal

    async def call(self, call: Call, effect: Callable[[str], Awaitable[Recorded]]) -> Json:
        generation = self._claimed.generation if call.kind is CallKind.MODEL else 0
        call = replace(call, key=_storable(call.key))
        slot = (call.kind.value, generation, call.key, call.fingerprint)
        occurrence, found = self._journal.find(slot)
        if found and found.status == RECORDED:
            return found.value
        if call.kind is CallKind.MODEL and not found:
            await self._prepare_model_call(generation, met_before=slot in self._journal.failed)
        if found and call.effect is Effect.UNSAFE:
            raise PermanentFailure(
                f"{call.name} was interrupted and may have taken effect; it is not made again",
                code="interrupted_unsafe_call",
                hint="see what it did, then retry the project",
            )
        number = found.number if found else self._next_number()
        intent = Intent(call, number, occurrence, generation)
        await self._desk.begin(self._claimed.held, intent)
        return await self._make(intent, effect)

    async def _make(self, intent: Intent, effect: Callable[[str], Awaitable[Recorded]]) -> Json:
        try:
            recorded = await effect(f"{self._claimed.held.subtask_id}:{intent.number}")
        except Fenced:
            raise
        except NexusError as wrong:
            failed = Recorded({"error": wrong.reason, "message": wrong.message}, Usage(1), "failed")
            await self._desk.record(self._claimed.held, intent, failed)
            raise
        failpoint("effect.done")
        # Replay gives back what was stored; the first run must see the very same.
        stored: Json = json.loads(dumps(recorded.value))
        kept = replace(recorded, value=stored)
        if intent.call.kind is CallKind.STEP:
            # What follows a step is anybody's code: it goes on only after the commit.
            await self._desk.record(self._claimed.held, intent, kept)
        else:
            self._desk.record_soon(self._claimed.held, intent, kept)
        return stored

    async def _prepare_model_call(self, generation: int, *, met_before: bool) -> None:
        """Cut a tail that no longer matches, and keep to the cap; an interrupted call was counted."""
        tail = [] if met_before else self._journal.tail(generation)
        if tail:
            await self._engine.persist(lambda turn: supersede(turn, self._claimed.held, tail))
            self._journal.forget(tail)
        if self._journal.model_calls >= self._claimed.max_model_calls:
            raise LimitReached(
                f"stopped after {self._journal.model_calls} model calls, the most a subtask may make",
                code="model_calls_exhausted",
                hint="make the task smaller or its instructions clearer",
            )
        self._journal.model_calls += 1

    def _next_number(self) -> int:
        number = self._journal.numbers
        self._journal.numbers += 1
        return number


def _storable(key: str) -> str:
    """Write a key as the journal keeps it, so that replay looks for what was stored."""
    cleaned = clean(key)
    if len(cleaned) <= KEY_LENGTH:
        return cleaned
    return f"{cleaned[:120]}:{sha256(cleaned.encode()).hexdigest()}"
