"""What a finished project leaves in memory: what a `remember` subtask does, by rules alone.

Idempotent: a memory is named by the work it is of and its text, so that repeating it, after
whatever crash, adds nothing twice and brings nothing back that a person has deleted.
"""

import hashlib
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from nexus.domain.remembering import digest_of
from nexus.errors import Fenced, ServiceMissing, TransientFailure
from nexus.memory.catalogue import NewEntry, Prepared
from nexus.memory.passages import MEMORIES, Where
from nexus.memory.store import Memory
from nexus.models.database import Database
from nexus.models.writing import Transaction
from nexus.orchestrator.claiming import Claimed
from nexus.orchestrator.harvest import Find, gather_finds
from nexus.orchestrator.memories import (
    AGENT,
    add_memory,
    forget_oldest,
    merge_memory,
    supersede_earlier,
)
from nexus.orchestrator.transitions.calls import still_held

ALIKE: Final = 0.95
"""The cosine from which two memories may be the same one."""
NEIGHBOURS: Final = 5
QUESTION_CHARACTERS: Final = 1_000
MOST_OUTPUTS: Final = 2_000
FORGOTTEN_AT_ONCE: Final = 100

log = structlog.get_logger()


async def remember(database: Database, data: Path, memory: Memory, claimed: Claimed) -> None:
    """Take into memory what the project of a claimed subtask has come to.

    Raises:
        Fenced: the claim is lost.
        ServiceMissing: the database or the embedding model is out of reach.
    """
    finds = await gather_finds(database, data, claimed.held.subtask_id)
    for one in finds:
        await _remember_one(database, memory, claimed, one)
    forgotten = await database.run(lambda: _forget(claimed))
    log.info("project.remembered", found=len(finds), forgotten=forgotten)


async def _remember_one(database: Database, memory: Memory, claimed: Claimed, one: Find) -> None:
    made = await memory.prepare(_entry(claimed.workspace, one))
    twin = await _twin(memory, made, one)

    def act() -> Transaction[bool]:
        yield from _hold(claimed)
        if twin and (yield from merge_memory(claimed.workspace, twin, one.about, AGENT)):
            return False
        if not (yield from add_memory(made, one.about, AGENT)):
            return False
        if one.about.subject:
            yield from supersede_earlier(made, one.about, AGENT)
        return True

    if await database.run(act):
        with suppress(ServiceMissing, TransientFailure):  # an audit puts it there
            await memory.publish(made)


def _entry(workspace: str, one: Find) -> NewEntry:
    content = one.text.encode()
    source = one.about.sources[0]
    name = digest_of(workspace, source.project_id, one.of, one.about.kind, one.text)
    return NewEntry(
        f"mem_{name[:26]}",
        workspace,
        MEMORIES,
        source.project_id,
        one.title,
        "text/plain",
        content,
        hashlib.sha256(content).hexdigest(),
    )


async def _twin(memory: Memory, made: Prepared, one: Find) -> str | None:
    """Find an active memory of the same kind that says the same, figures included."""
    entry = made.entry
    where = Where(entry.workspace, MEMORIES)
    near = await memory.recall(where, one.text[:QUESTION_CHARACTERS], k=NEIGHBOURS)
    tried: set[str] = set()
    for found in near:
        other = found.passage.document_id
        if other in tried or other == entry.id or found.kind != one.about.kind:
            continue
        tried.add(other)
        if await memory.likeness(made, other) >= ALIKE and (
            _figures(await memory.text_of(entry.workspace, other)) == _figures(one.text)
        ):
            return other
    return None


def _figures(text: str) -> frozenset[str]:
    """Two reports alike but for their figures are two."""
    return frozenset(re.findall(r"\d+(?:[.,]\d+)*", text))


def _hold(claimed: Claimed) -> Transaction[None]:
    if claimed.held not in (yield from still_held([claimed.held])):
        raise Fenced("the project is remembered by somebody else")


def _forget(claimed: Claimed) -> Transaction[int]:
    yield from _hold(claimed)
    return (yield from forget_oldest(claimed.workspace, MOST_OUTPUTS, FORGOTTEN_AT_ONCE, AGENT))
