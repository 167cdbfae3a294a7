"""What earlier claims recorded of a subtask's calls, and how far a run has come through it.

Records are keyed by kind, key, argument fingerprint and occurrence, model calls by their
generation as well; never by position alone. Read once when a run begins.
"""

from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import select

from nexus.domain.seam import CallKind, Effect, Json
from nexus.models.database import Database
from nexus.models.work import JournalRecord
from nexus.orchestrator.claiming import Claimed

Slot = tuple[str, int, str, str]
RECORDED: Final = "recorded"
BEGUN: Final = "begun"
APPROVED: Final = "approved"  # a person lets an interrupted call be made again
REJECTED: Final = "rejected"  # a person does not; the result says so
ASKED: Final = "asked"  # a person is to let it be made
DELEGATED: Final = "delegated"  # other subtasks do it; its result is what they come to
REPLAYED: Final = (RECORDED, BEGUN, APPROVED, REJECTED, ASKED, DELEGATED)


@dataclass(slots=True)
class Entry:
    """A journal record as replay needs it; with a digest, its value is in a file."""

    number: int
    slot: Slot
    status: str
    value: Json
    digest: str | None = None
    origin: str | None = None  # the subtask it began under, if a retry carried it over
    used: bool = False


@dataclass(slots=True)
class Journal:
    """The records of one subtask and the calls met so far in this run."""

    entries: list[Entry] = field(default_factory=list)
    met: dict[Slot, int] = field(default_factory=dict)
    interrupted: bool = False  # an unsafe call began under an earlier claim and has no end
    numbers: int = 0
    model_calls: int = 0

    def find(self, slot: Slot, name: str = "") -> tuple[int, Entry | None]:
        """Return the occurrence of the call that is met now and its record, if there is one.

        A call carried over from another conversation, in which it was interrupted, is known
        by its `name` instead of its key: what a person decided about it holds for this one.
        """
        occurrence = self.met.get(slot, 0)
        self.met[slot] = occurrence + 1
        matching = [one for one in self.entries if one.slot == slot]
        found = matching[occurrence] if occurrence < len(matching) else self._carried(slot, name)
        if found:
            found.used = True
        return occurrence, found

    def _carried(self, slot: Slot, name: str) -> Entry | None:
        by_name = (slot[0], slot[1], name, slot[3])
        carried = [one for one in self.entries if one.origin and one.slot == by_name]
        return next((one for one in carried if not one.used), None)

    def unmet(self, generation: int) -> list[int]:
        """List recorded model calls of this generation that this run has not come to."""
        return [
            one.number
            for one in self.entries
            if one.slot[:2] == (CallKind.MODEL.value, generation)
            and one.status == RECORDED
            and not one.used
        ]


COLUMNS: Final = (
    JournalRecord.number,
    JournalRecord.kind,
    JournalRecord.generation,
    JournalRecord.key,
    JournalRecord.fingerprint,
    JournalRecord.effect,
    JournalRecord.status,
    JournalRecord.result,
    JournalRecord.result_sha256,
    JournalRecord.origin,
)


async def read_journal(database: Database, claimed: Claimed) -> Journal:
    """Load what earlier claims recorded; empty without a query for a first claim."""
    journal = Journal()
    if not claimed.has_history:
        return journal
    async with database.read() as session:
        rows = await session.execute(
            select(*COLUMNS)
            .where(JournalRecord.subtask_id == claimed.held.subtask_id)
            .order_by(JournalRecord.number)
        )
        for number, *slot_of, effect, status, value, digest, origin in rows:
            kind, generation, key, fingerprint = slot_of
            journal.numbers = number + 1
            journal.model_calls += kind == CallKind.MODEL.value
            slot = (kind, generation, key, fingerprint)
            journal.interrupted |= status == BEGUN and effect == Effect.UNSAFE.value
            if status in REPLAYED:
                journal.entries.append(Entry(number, slot, status, value, digest, origin))
    return journal
