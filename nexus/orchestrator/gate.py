"""How a call of one claim begins: at once, after others of its run, or after a wait for the budget.

Used by the seam. A run that has calls in flight is never held back: their results would be
lost, and paid for twice.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from nexus.domain.seam import CallKind, Need
from nexus.domain.states import SubtaskKind
from nexus.errors import Fenced, LimitReached, OverBudget
from nexus.orchestrator.budgeting import hold_back
from nexus.orchestrator.claiming import Claimed
from nexus.orchestrator.desk import Desk
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.recording import Intent


class Gate:
    """Begins the calls of one claim and knows which of them are in flight."""

    def __init__(self, engine: WorkflowEngine, desk: Desk, claimed: Claimed) -> None:
        self._engine = engine
        self._desk = desk
        self._claimed = claimed
        self._in_flight = 0
        self._ended = asyncio.Event()

    async def begin(self, intent: Intent) -> None:
        """Commit the intent of a call.

        Raises:
            Fenced: the claim is not held any more, or waits for its project's budget now.
            LimitReached: the budget is used up, and nothing can wait while a plan is written.
        """
        while True:
            try:
                await self._desk.begin(self._claimed.held, intent)
                return
            except OverBudget as over:
                await self._wait(intent, over)

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Count a call from its beginning until its result is on its way to the journal."""
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1
            self._ended.set()

    async def _wait(self, intent: Intent, over: OverBudget) -> None:
        if self._in_flight:
            self._ended.clear()
            await self._ended.wait()
            return
        if self._claimed.kind is SubtaskKind.PLAN:
            raise LimitReached(
                f"the plan was not finished: {over.message}",
                code=over.reason,
                hint="raise the budget with PATCH /projects/{id}, then POST /projects/{id}/retry",
            )
        held, call = self._claimed.held, intent.call
        need: Need | None = None
        if call.kind is CallKind.MODEL:
            need = call.need() if call.need else Need()
        if await self._engine.persist(lambda turn: hold_back(turn, held, intent.number, need)):
            raise Fenced(f"{held.subtask_id} waits for its project's budget")
