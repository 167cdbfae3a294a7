"""A worker's desk: gathers what its runs want to write into one transaction at a time.

Invariant: an answer is given only after the commit of its batch, and a claim is in the
hand before anyone hears of it; of one that was given back meanwhile nobody hears. While
the database is away a batch is kept and tried again; where the fate of its commit is
unknown, claims that it may have made are looked up.
"""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import structlog

from nexus.domain.text import clean
from nexus.errors import EngineError, Fenced, ServiceMissing
from nexus.orchestrator.batch import Answer, Claim, Settle, Wish, write_batch
from nexus.orchestrator.claiming import Claimed, claims_of
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.hand import Hand
from nexus.orchestrator.material import Recall
from nexus.orchestrator.outcomes import Outcome
from nexus.orchestrator.queueing import Share
from nexus.orchestrator.recording import Begin, Done, Intent
from nexus.orchestrator.transitions.subtasks import Held
from nexus.orchestrator.turn import Turn

MOST: Final = 512
LINGER_SECONDS: Final = 0.01
RING_SECONDS: Final = 0.1
"""How often watchers of a busy worker are woken: each time reads the database for them."""
AGAIN_SECONDS: Final = 0.5
CLOSE_SECONDS: Final = 5.0
POINTS: Final = {Claim: "claim", Begin: "begin", Done: "record", Settle: "settle"}
"""The failpoints around the commit of a batch with such a wish in it."""

log = structlog.get_logger()


@dataclass(slots=True)
class Waiting:
    """A wish and who waits for its answer."""

    wish: Wish
    answer: "asyncio.Future[list[Claimed]]"


class Desk:
    """Writes for one worker between `async with` and its end.

    Args:
        room: says at the time of writing which share free slots may take; None: nothing.
        adopt: starts claims whose commit answered too late for whoever asked for them.
    """

    def __init__(
        self,
        engine: WorkflowEngine,
        hand: Hand,
        room: Callable[[], Share | None],
        adopt: Callable[[Claimed], None],
    ) -> None:
        self._engine = engine
        self.hand = hand
        self._room = room
        self._adopt = adopt
        self._recall = Recall()
        self._waiting: list[Waiting] = []
        self._wake = asyncio.Event()
        self._lingering: asyncio.TimerHandle | None = None
        self._untold: list[Turn] = []
        self._news = asyncio.Event()
        self.loops: list[asyncio.Task[None]] = []
        self._is_closing = False
        self._is_ringing_soon = False
        self._is_unsure = False  # whether a commit was lost that may have claimed something

    async def __aenter__(self) -> Self:
        self.loops = [asyncio.create_task(self._write()), asyncio.create_task(self._herald())]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what is left, for a while, and tell of it."""
        self._is_closing = True
        writing, heralding = self.loops
        self._wake.set()
        await asyncio.wait({writing}, timeout=CLOSE_SECONDS)
        self._news.set()
        await asyncio.wait({heralding}, timeout=CLOSE_SECONDS)
        for loop in self.loops:
            loop.cancel()
        await asyncio.wait(self.loops)

    def check(self) -> bool:
        """Raise what ended a loop of the desk before its time; else True."""
        for loop in self.loops:
            if loop.done():
                loop.result()
        return True

    async def claim(self, subtask_ids: list[str]) -> list[Claimed]:
        """Claim those that are still queued and due.

        Raises:
            ServiceMissing: the database is away. Claims that its last commit may have made
                all the same are started when it is back.
        """
        return await self._ask(Claim(tuple(subtask_ids)))

    async def begin(self, held: Held, intent: Intent) -> None:
        """Commit the intent of a call.

        Raises:
            Fenced: the claim is not held any more; the call must not be made.
            OverBudget: its project's budget has no room for it now; nor must it then.
        """
        await self._ask(Begin(held, intent))

    async def record(self, done: Done) -> None:
        """Commit what a call came to.

        Raises:
            Fenced: the claim is not held any more; nothing was written.
        """
        await self._ask(done)

    def record_soon(self, done: Done) -> "asyncio.Future[list[Claimed]]":
        """Commit what a call came to together with whatever is written next, or in a moment.

        Nothing that this worker begins or settles afterwards is committed before it; whoever
        lets go of the claim in another way waits for the future first.
        """
        answer = self._put(done)
        answer.add_done_callback(_report)
        if self._lingering is None:
            loop = asyncio.get_running_loop()
            self._lingering = loop.call_later(LINGER_SECONDS, self._wake.set)
        return answer

    async def settle(self, held: Held, outcome: Outcome, in_a_row: int) -> list[Claimed]:
        """Record the outcome of a claim; return what its slot takes over.

        Raises:
            Fenced: the claim is not held any more; the outcome is dropped.
        """
        return await self._ask(Settle(held, outcome, in_a_row))

    def _put(self, wish: Wish) -> "asyncio.Future[list[Claimed]]":
        answer: asyncio.Future[list[Claimed]] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(wish, answer))
        return answer

    async def _ask(self, wish: Wish) -> list[Claimed]:
        answer = self._put(wish)
        self._wake.set()
        return await answer

    async def _write(self) -> None:
        while self._waiting or not self._is_closing:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                if self._lingering and not self._waiting:
                    self._lingering.cancel()  # whoever lingered is in this batch
                    self._lingering = None
                await self._write_batch(batch)

    async def _write_batch(self, batch: list[Waiting]) -> None:
        """Commit a batch, however long it takes; if it is refused, its members one by one."""
        while batch:
            writing = asyncio.ensure_future(self._commit([one.wish for one in batch]))
            await asyncio.wait({writing})
            wrong = writing.exception()
            if wrong is None:
                self._deliver(batch, writing.result())
                await self._look_up()
                return
            if not isinstance(wrong, ServiceMissing):
                await self._write_singly(batch, wrong)
                return
            self._is_unsure = self._is_unsure or wrong.reason == "outcome_unknown"
            batch = _without_claims(batch, wrong)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _write_singly(self, batch: list[Waiting], wrong: BaseException) -> None:
        if len(batch) > 1:
            for one in batch:
                await self._write_batch([one])
        elif not batch[0].answer.done():
            batch[0].answer.set_exception(wrong)

    async def _commit(self, wishes: list[Wish]) -> list[Answer]:
        share = self._room()
        answers, turn = await self._engine.commit(
            lambda turn: write_batch(turn, self.hand.worker_id, wishes, share, self._recall),
            *sorted({POINTS[type(wish)] for wish in wishes}),
        )
        self._untold.append(turn)
        if turn.announcements or turn.is_pressing or not self._is_ringing_soon:
            self._news.set()
        return answers

    def _deliver(self, batch: list[Waiting], answers: list[Answer]) -> None:
        for waiting, answer in zip(batch, answers, strict=True):
            wish = waiting.wish
            if isinstance(wish, Settle) and wish.outcome.output and isinstance(answer, list):
                self._recall.keep_outputs({wish.held.subtask_id: clean(wish.outcome.output)})
            if waiting.answer.done():
                continue  # whoever asked was cancelled: the pulse gives back what came for it
            if isinstance(answer, EngineError):
                waiting.answer.set_exception(answer)
                continue
            waiting.answer.set_result(self._take(answer))

    def _take(self, claims: list[Claimed]) -> list[Claimed]:
        """Put claims into the hand; without those that the pulse gave back before they came."""
        taken: list[Claimed] = []
        for one in claims:
            if self.hand.take(one.held.subtask_id, one.held.claim):
                taken.append(one)
            else:
                log.info("subtask.came_late", subtask_id=one.held.subtask_id)
        return taken

    async def _look_up(self) -> None:
        """Start the claims of commits whose answers were lost: the database has them under us."""
        if not self._is_unsure:
            return
        with suppress(ServiceMissing):
            known = frozenset(self.hand.held)
            found = await self._engine.run(lambda turn: claims_of(self.hand.worker_id, known))
            for one in self._take(found):
                log.info("subtask.adopted", subtask_id=one.held.subtask_id)
                self._adopt(one)
            self._is_unsure = False

    async def _herald(self) -> None:
        """Tell of commits: queued work and what presses at once, watchers every RING_SECONDS."""
        loop = asyncio.get_running_loop()
        rung_at, touched = -math.inf, set[str]()
        while self._untold or touched or not self._is_closing:
            await self._news.wait()
            self._news.clear()
            turns, self._untold = self._untold, []
            if any(turn.announcements for turn in turns):
                await self._engine.announce(turns)
            touched.update(one for turn in turns for one in turn.touched)
            early = rung_at + RING_SECONDS - loop.time()
            is_pressing = self._is_closing or any(turn.is_pressing for turn in turns)
            self._is_ringing_soon = early > 0 and not is_pressing
            if self._is_ringing_soon:
                loop.call_later(early, self._news.set)
            elif touched:
                ringing, touched, rung_at = touched, set[str](), loop.time()
                await self._engine.ring(ringing)


def _without_claims(batch: list[Waiting], wrong: ServiceMissing) -> list[Waiting]:
    """Answer claims at once, that nobody waits for a database to take work from; keep the rest."""
    for one in batch:
        if isinstance(one.wish, Claim) and not one.answer.done():
            one.answer.set_exception(wrong)
    return [one for one in batch if not isinstance(one.wish, Claim)]


def _report(answer: "asyncio.Future[list[Claimed]]") -> None:
    """A record that is not written: said, unless the claim is gone, which the next call meets."""
    if not answer.cancelled() and (wrong := answer.exception()) and not isinstance(wrong, Fenced):
        log.error("call.unrecorded", error=f"{type(wrong).__name__}: {wrong}"[:500])
