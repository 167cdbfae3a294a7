"""One subtask that a test claims again and again, with its journal."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace

from sqlalchemy import select

from nexus.domain.seam import Call, CallKind, Effect, Json, Recorded, Usage
from nexus.models.work import JournalRecord
from nexus.orchestrator.claiming import Claimed, release_all
from nexus.orchestrator.desk import Desk
from nexus.orchestrator.hand import Hand
from nexus.orchestrator.journal import JournalSeam
from nexus.orchestrator.membership import join
from nexus.orchestrator.recording import Intent
from nexus.orchestrator.records import read_journal
from nexus.orchestrator.transitions.subtasks import Held
from nexus.orchestrator.value_files import ValueFiles
from tests.support.acts import claim
from tests.support.rig import Rig, plan, task

WORKER = "wrk_of_this_test"


class Dozing(Desk):
    """A desk whose process may sleep between the commit of an intent and its answer."""

    meanwhile: Callable[[], Awaitable[None]]

    async def begin(self, held: Held, intent: Intent) -> None:
        await super().begin(held, intent)
        await self.meanwhile()


class Run:
    """One subtask, claimed again and again; `made` lists the effects that really happened.

    `meanwhile` happens between the intent of a call and the call.
    """

    def __init__(self, rig: Rig, most_model_calls: int) -> None:
        self._rig = rig
        self._desks = AsyncExitStack()
        self._most = most_model_calls
        self._seam: JournalSeam
        self.hand: Hand
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self.folder = rig.folder / "values"
        self.made: list[str] = []
        self.keys: list[str] = []

    async def claim(self) -> None:
        """Lose whatever is held and begin anew from the journal."""
        engine = self._rig.parts.engine
        await self.end()
        self.hand = Hand(WORKER)
        desk = Dozing(engine, self.hand, lambda: None, lambda claimed: None)
        desk.meanwhile = self._doze
        await self._desks.enter_async_context(desk)
        await engine.run(lambda turn: join(WORKER, 1, 60.0))
        await engine.run(lambda turn: release_all(turn, WORKER, "a test"))
        (subtask,) = await self._rig.subtasks(self.project)
        (claimed,) = await engine.run(lambda turn: claim(turn, WORKER, [subtask.id]))
        capped: Claimed = replace(claimed, max_model_calls=self._most)
        journal = await read_journal(self._rig.parts.database, capped)
        self._seam = JournalSeam(engine, desk, capped, journal, ValueFiles(self.folder))

    async def _doze(self) -> None:
        if self.meanwhile is not None:
            await self.meanwhile()

    async def end(self) -> None:
        """Write what is still to be written, as a worker does when it ends."""
        await self._desks.aclose()

    async def start(self) -> None:
        self.project = await self._rig.start(plan(task("one", "quick")))
        await self.claim()

    async def ask(
        self, what: str, *, wrong: BaseException | None = None, value: Json = None
    ) -> Json:
        """Make a model call named by its fingerprint."""
        call = Call(CallKind.MODEL, "offline", "", what.ljust(64, "0"))
        return await self._pass(call, wrong, value)

    async def step(self, name: str, value: Json = None, *, request: Json = None) -> Json:
        """Take a step that comes to `value`, or to words that say which call it was."""
        call = Call(CallKind.STEP, name, name, "0" * 64, request=request)
        return await self._pass(call, None, value)

    async def use(
        self, effect: Effect, value: Json, *, name: str = "tool", key: str = "id"
    ) -> Json:
        """Call a tool of that effect."""
        return await self._pass(Call(CallKind.TOOL, name, key, "0" * 64, effect), None, value)

    async def close(self) -> None:
        """End the run as the worker does when the agent has returned."""
        await self._seam.close()

    async def records(self) -> list[JournalRecord]:
        """Read the journal's rows."""
        async with self._rig.parts.database.read() as session:
            rows = await session.execute(select(JournalRecord).order_by(JournalRecord.number))
            return list(rows.scalars())

    async def told(self) -> list[str]:
        """Name the events so far."""
        return [one.type for one in await self._rig.events(self.project)]

    async def _pass(self, call: Call, wrong: BaseException | None, value: Json = None) -> Json:
        async def effect(key: str) -> Recorded:
            self.made.append(call.fingerprint.rstrip("0") or call.key)
            self.keys.append(key)
            if wrong:
                raise wrong
            return Recorded(value or f"reply {len(self.made)}", Usage(1, 1, 1, 0))

        return await self._seam.call(call, effect)


class Killed(BaseException):
    """The process ended inside an effect."""
