"""What every worker does for memory now and then: tidy it, mend it, bring its vectors up to date,
and have finished projects remembered."""

import asyncio
import random
import time
from typing import Final

import structlog

from nexus.errors import NexusError
from nexus.memory.store import Memory
from nexus.models.database import Database
from nexus.orchestrator.documents import others_than, read_again
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.unremembered import find_unremembered, unremembered

TIDY_SECONDS: Final = 5.0
AUDIT_SECONDS: Final = 60.0

log = structlog.get_logger()


async def tend(
    database: Database, engine: WorkflowEngine, memory: Memory, *, remembers: bool = False
) -> None:
    """Go on until cancelled; what is out of reach is tried again."""
    audited_at = -AUDIT_SECONDS
    while True:
        # Workers that started together need not all look at the same moment.
        await asyncio.sleep(TIDY_SECONDS * random.SystemRandom().uniform(0.5, 1.5))
        try:
            (others,) = await database.ask(others_than(memory.embedding))
            if others:
                await engine.run(lambda turn: read_again(turn, memory.embedding))
            if remembers:
                await _remember(database, engine)
            if await memory.ready():
                await memory.tidy()
                if time.monotonic() - audited_at >= AUDIT_SECONDS:
                    await memory.audit()
                    audited_at = time.monotonic()
        except (NexusError, OSError) as wrong:
            log.info("memory.untended", error=f"{type(wrong).__name__}: {wrong}"[:300])


async def _remember(database: Database, engine: WorkflowEngine) -> None:
    (waiting,) = await database.ask(unremembered())
    if waiting:
        await engine.run(find_unremembered)
