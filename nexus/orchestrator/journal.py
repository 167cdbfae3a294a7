"""The seam over the journal: replays what is recorded, makes what is not, under one claim."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, NoReturn

import structlog

from nexus.domain.consent import Ask, AskKind
from nexus.domain.seam import Call, CallKind, Effect, Json, Recorded, Usage
from nexus.domain.states import SubtaskKind
from nexus.errors import Fenced, LimitReached, NexusError, PermanentFailure, TransientFailure
from nexus.failpoints import failpoint
from nexus.orchestrator.asking import ask, ask_first, renew
from nexus.orchestrator.claiming import Claimed
from nexus.orchestrator.delegating import delegate, outcome_of
from nexus.orchestrator.desk import Desk
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.gate import Gate
from nexus.orchestrator.hand import now
from nexus.orchestrator.recording import Done, Intent, reopen, storable_key, supersede
from nexus.orchestrator.records import APPROVED, ASKED, RECORDED, REJECTED, Entry, Journal
from nexus.orchestrator.value_files import Kept, ValueFiles

PAUSE_SECONDS: Final = 5.0
UNDECIDED: Final = Ask(AskKind.TOOL_CALL, "May it be called?")
"""Of a call that was asked about before and would not be now: its question stands."""

log = structlog.get_logger()


class JournalSeam:
    """Implements `Seam` for one claim; `files` holds the large values of its project."""

    def __init__(
        self,
        engine: WorkflowEngine,
        desk: Desk,
        claimed: Claimed,
        journal: Journal,
        files: ValueFiles,
    ) -> None:
        self._engine = engine
        self._desk = desk
        self._gate = Gate(engine, desk, claimed)
        self._claimed = claimed
        self._journal = journal
        self._files = files
        self._unwritten: set[asyncio.Future[list[Claimed]]] = set()

    async def call(self, call: Call, effect: Callable[[str], Awaitable[Recorded]]) -> Json:
        if self._journal.interrupted:
            await self._ask()
        generation = self._claimed.generation if call.kind is CallKind.MODEL else 0
        call = replace(call, key=storable_key(call.key))
        slot = (call.kind.value, generation, call.key, call.fingerprint)
        occurrence, found = self._journal.find(slot, storable_key(call.name))
        if found:
            is_known, value = await self._replay(call, found)
            if is_known:
                return value
        if call.enter is not None:
            await call.enter()
        if not found and call.kind is CallKind.MODEL:
            self._count_model_call()
        number = found.number if found else self._next_number()
        request = await self._files.keep(call.request, f"the request to {call.name}")
        origin = found.origin if found else None
        intent = Intent(call, number, occurrence, generation, request, origin)
        if call.parts:
            return await self._delegate(intent)
        if found.status == ASKED if found else call.ask:
            await self._ask_first(intent, call.ask or UNDECIDED)
        return await self._make(
            intent, effect, is_approved=bool(found and found.status == APPROVED)
        )

    async def _make(
        self,
        intent: Intent,
        effect: Callable[[str], Awaitable[Recorded]],
        *,
        is_approved: bool,
    ) -> Json:
        """Make a call between its two commits."""
        began_at = now()
        if is_approved:
            await self._engine.persist(
                lambda turn: renew(self._claimed.held, intent.number), "renew"
            )
        else:
            await self._gate.begin(intent)
        with self._gate.in_flight(intent.call.kind):
            await self._gate.confirm(began_at)
            return await self._record_value(intent, await self._carry_out(intent, effect))

    async def _replay(self, call: Call, found: Entry) -> tuple[bool, Json]:
        """Give what a call came to before, if that is known; False: it has to be made.

        Raises:
            PermanentFailure: it is a step, and a person decided against making it again.
            Fenced: what is unsafe and lost its result is put to a person.
        """
        if found.status == REJECTED:
            return True, _refused(call, found.value)
        if found.status != RECORDED:
            return False, None
        if found.digest is None:
            return True, found.value
        content = await self._files.read(found.digest)
        if content is not None:
            return True, _parsed(content)
        await self._reopen(found, call)
        if call.effect is Effect.UNSAFE:
            await self._ask()
        return False, None

    async def _ask(self) -> None:
        """Put what is in doubt to a person and let go: before anything else of this run."""
        held = self._claimed.held
        if self._claimed.kind is SubtaskKind.CHAT:
            raise PermanentFailure(
                "a call that may have taken effect lost its result, and nobody can be asked",
                code="call_interrupted",
                hint="look what it came to, then write to the agent again",
            )
        await self._written()
        if await self._engine.persist(lambda turn: ask(turn, held), "ask"):
            raise Fenced(f"{held.subtask_id} waits for a person to answer")
        self._journal.interrupted = False

    async def _ask_first(self, intent: Intent, what: Ask) -> NoReturn:
        """Put a call to a person before it is made, and let go.

        Raises:
            Fenced: always; the subtask waits, or is not ours any more.
        """
        held = self._claimed.held
        await self._written()
        await self._engine.persist(lambda turn: ask_first(turn, held, intent, what), "ask")
        raise Fenced(f"{held.subtask_id} waits for a person to answer")

    async def _delegate(self, intent: Intent) -> Json:
        """Have the parts of a call done by others, or take in what they came to.

        Raises:
            Fenced: the subtask waits for them, or is not ours any more.
            InvalidInput: they cannot be given to anybody; nothing has begun.
        """
        await self._written()
        value = await self._engine.persist(
            lambda turn: delegate(turn, self._claimed, intent), "delegate"
        )
        if value is None:
            raise Fenced(f"{self._claimed.held.subtask_id} waits for its delegated parts")
        with self._gate.in_flight(intent.call.kind):
            return await self._record_value(intent, Recorded(value, outcome=outcome_of(value)))

    async def _written(self) -> None:
        """Wait until what has begun is recorded: without its claim it could not be any more."""
        await self._gate.landed()
        if self._unwritten:
            await asyncio.wait(self._unwritten)

    async def close(self) -> None:
        """Cut what earlier runs recorded and this one, which is over now, never asked for.

        Not sooner: of calls made side by side, a recorded one may come after a new one.
        """
        unmet = self._journal.unmet(self._claimed.generation)
        if unmet:
            await self._engine.persist(
                lambda turn: supersede(turn, self._claimed.held, unmet), "cut"
            )

    async def _reopen(self, found: Entry, call: Call) -> None:
        """Take a record whose file is not on this machine for a call that was interrupted."""
        log.warning(
            "journal.value_lost",
            subtask_id=self._claimed.held.subtask_id,
            call=call.name,
            hint="machines that share no data directory make calls with large results again",
        )
        await self._engine.persist(lambda turn: reopen(self._claimed.held, found.number), "reopen")

    async def _carry_out(
        self, intent: Intent, effect: Callable[[str], Awaitable[Recorded]]
    ) -> Recorded:
        try:
            return await effect(f"{intent.origin or self._claimed.held.subtask_id}:{intent.number}")
        except Fenced:
            raise
        except NexusError as wrong:
            await self._record_failure(intent, Usage(1), wrong)
            raise

    async def _record_value(self, intent: Intent, recorded: Recorded) -> Json:
        """Record what an effect came to.

        Replay gives back what was stored; the first run must see the very same.
        """
        failpoint("effect.done")
        try:
            kept = await self._keep(intent.call, recorded.value)
        except PermanentFailure as too_large:
            await self._record_failure(intent, recorded.usage, too_large)
            raise
        done = Done(self._claimed.held, intent, replace(recorded, value=None), kept)
        del recorded  # a large value is not held twice
        if intent.call.kind is CallKind.STEP or intent.call.effect is Effect.UNSAFE:
            # What follows a step is anybody's code, and an unsafe call must not be in doubt
            # longer than it has to: both go on only after the commit.
            await self._desk.record(done)
        else:
            writing = self._desk.record_soon(done)
            self._unwritten.add(writing)
            writing.add_done_callback(self._unwritten.discard)
        content = kept.text if kept.digest is None else await self._files.read(kept.digest)
        if content is None:
            raise TransientFailure(
                f"the result of {intent.call.name} was stored and is not there any more",
                hint="see who else writes to the data directory",
            )
        return _parsed(content)

    async def _keep(self, call: Call, value: Json) -> Kept:
        """Make a result ready for its row; a model's reply is paid for, and waits for a disk.

        It waits no longer than the subtask may run.
        """
        while True:
            try:
                return await self._files.keep(value, f"the result of {call.name}")
            except TransientFailure as wrong:
                if call.kind is not CallKind.MODEL:
                    raise
                log.warning("journal.reply_waits", error=wrong.message, hint=wrong.hint)
                await asyncio.sleep(wrong.retry_after_seconds or PAUSE_SECONDS)

    async def _record_failure(self, intent: Intent, usage: Usage, wrong: NexusError) -> None:
        kept = await self._files.keep({"error": wrong.reason, "message": wrong.message}, "an error")
        recorded = Recorded(None, usage, "failed")
        await self._desk.record(Done(self._claimed.held, intent, recorded, kept))

    def _count_model_call(self) -> None:
        """Keep to the cap; a call that was interrupted was counted before."""
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


def _refused(call: Call, told: Json) -> Json:
    """Give what a person refused: an answer to a tool's caller, the end of anything else."""
    if call.kind is CallKind.TOOL:
        return told
    words = told["error"] if isinstance(told, dict) else told
    raise PermanentFailure(
        str(words), code="call_rejected", hint="retry the project when it may be called again"
    )


def _parsed(text: str | bytes) -> Json:
    value: Json = json.loads(text)
    return value
