"""How a call of one claim begins: at once, after others of its run, or after a wait for the budget.

Used by the seam. A run that has calls in flight is never held back: their results would be
lost, and paid for twice.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from nexus.domain.seam import CallKind, Need
from nexus.domain.states import SubtaskKind
from nexus.errors import Fenced, LimitReached, OverBudget
from nexus.orchestrator.budgeting import hold_back
from nexus.orchestrator.claiming import Claimed
from nexus.orchestrator.desk import Desk
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.hand import now
from nexus.orchestrator.recording import Intent
from nexus.orchestrator.transitions.subtasks import is_held

LANDING_SECONDS: Final = 30.0
"""How long a step that runs side by side with a call that is held back may take to end."""

RENEWED_SECONDS: Final = 0.05
"""How often a call that comes late looks whether the lease has been renewed."""


class Gate:
    """Begins the calls of one claim and knows which of them are in flight."""

    def __init__(self, engine: WorkflowEngine, desk: Desk, claimed: Claimed) -> None:
        self._engine = engine
        self._desk = desk
        self._claimed = claimed
        self._in_flight: Counter[bool] = Counter()  # steps, and what is no step
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
            except OverBudget:
                await self._wait(intent)

    async def confirm(self, since: float) -> None:
        """See before an effect that the claim is still held, if the lease was over since a time of `now`.

        A process that was stopped, or slept with its machine, after the intent was committed
        finds out here that another may have made the call.

        Raises:
            Fenced: the claim is not held any more.
        """
        hand, held = self._desk.hand, self._claimed.held
        while hand.may_be_lost(since):
            if hand.is_lease_over:
                await asyncio.sleep(RENEWED_SECONDS)
                continue  # the pulse renews it, as soon as the database lets it
            since = now()
            if not await self._engine.persist(lambda turn: is_held(held)):
                raise Fenced(f"the claim on {held.subtask_id} is not held any more")

    @contextmanager
    def in_flight(self, kind: CallKind) -> Iterator[None]:
        """Count a call from its beginning until its result is on its way to the journal."""
        is_step = kind is CallKind.STEP
        self._in_flight[is_step] += 1
        try:
            yield
        finally:
            self._in_flight[is_step] -= 1
            self._ended.set()

    async def landed(self) -> None:
        """Wait until what has begun is recorded: for steps, which may be around it, only a while."""
        while self._in_flight.total() and await self._has_another_ended():
            pass

    async def _has_another_ended(self) -> bool:
        """Wait for a call of this run to end; False if there is none, or it is around this one."""
        is_step_alone = not self._in_flight[False]
        if is_step_alone and not self._in_flight[True]:
            return False
        self._ended.clear()
        with suppress(TimeoutError):  # a step may be what calls, and is in flight itself
            async with asyncio.timeout(LANDING_SECONDS if is_step_alone else None):
                return await self._ended.wait()
        return False

    async def _wait(self, intent: Intent) -> None:
        if await self._has_another_ended():
            return
        held, call = self._claimed.held, intent.call
        need: Need | None = None
        if call.kind is CallKind.MODEL:
            need = call.need() if call.need else Need()
        try:
            waits = await self._engine.persist(
                lambda turn: hold_back(turn, held, intent.number, need), "hold"
            )
        except OverBudget as over:
            act = "replan" if self._claimed.kind is SubtaskKind.REPLAN else "retry"
            raise LimitReached(
                f"the plan was not finished: {over.message}",
                code=over.reason,
                hint=f"raise the budget with PATCH /projects/{{id}}, then POST /projects/{{id}}/{act}",
            ) from over
        if waits:
            raise Fenced(f"{held.subtask_id} waits for its project's budget")
