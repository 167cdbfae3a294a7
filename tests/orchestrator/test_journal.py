"""Replay over the journal: what is counted, found again, and kept."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from nexus.domain.seam import Call, CallKind, Json, Recorded, Usage
from nexus.errors import LimitReached, TransientFailure
from nexus.orchestrator.claiming import Claimed, claim, release_all
from nexus.orchestrator.desk import Desk
from nexus.orchestrator.hand import Hand
from nexus.orchestrator.journal import JournalSeam, read_journal
from nexus.orchestrator.membership import join
from tests.support.rig import Rig, plan, task

WORKER = "wrk_of_this_test"


class Run:
    """One subtask, claimed again and again; `made` lists the effects that really happened."""

    def __init__(self, rig: Rig, most_model_calls: int) -> None:
        self._rig = rig
        self._desks = AsyncExitStack()
        self._most = most_model_calls
        self._seam: JournalSeam
        self.made: list[str] = []

    async def claim(self) -> None:
        """Lose whatever is held and begin anew from the journal."""
        engine = self._rig.parts.engine
        await self.end()
        desk = Desk(engine, Hand(WORKER), lambda: None, lambda claimed: None)
        await self._desks.enter_async_context(desk)
        await engine.run(lambda turn: join(WORKER, 1, 60.0))
        await engine.run(lambda turn: release_all(turn, WORKER, "a test"))
        (subtask,) = await self._rig.subtasks(self._project)
        (claimed,) = await engine.run(lambda turn: claim(turn, WORKER, [subtask.id]))
        capped: Claimed = replace(claimed, max_model_calls=self._most)
        journal = await read_journal(self._rig.parts.database, capped)
        self._seam = JournalSeam(engine, desk, capped, journal)

    async def end(self) -> None:
        """Write what is still to be written, as a worker does when it ends."""
        await self._desks.aclose()

    async def start(self) -> None:
        self._project = await self._rig.start(plan(task("one", "quick")))
        await self.claim()

    async def ask(self, what: str, *, wrong: BaseException | None = None) -> Json:
        """Make a model call named by its fingerprint."""
        return await self._pass(Call(CallKind.MODEL, "offline", "", what.ljust(64, "0")), wrong)

    async def step(self, name: str) -> Json:
        return await self._pass(Call(CallKind.STEP, name, name, "0" * 64), None)

    async def _pass(self, call: Call, wrong: BaseException | None) -> Json:
        async def effect(key: str) -> Recorded:
            self.made.append(call.fingerprint.rstrip("0") or call.key)
            if wrong:
                raise wrong
            return Recorded(f"reply {len(self.made)}", Usage(1, 1, 1, 0))

        return await self._seam.call(call, effect)


class Killed(BaseException):
    """The process ended inside an effect."""


@pytest.fixture
async def run(rig: Rig) -> AsyncIterator[Run]:
    made = Run(rig, most_model_calls=2)
    await made.start()
    yield made
    await made.end()


async def test_an_interrupted_last_call_is_made_again(run: Run) -> None:
    first = await run.ask("a")
    with pytest.raises(Killed):
        await run.ask("b", wrong=Killed())
    await run.claim()

    assert await run.ask("a") == first
    await run.ask("b")
    with pytest.raises(LimitReached):
        await run.ask("c")
    assert run.made == ["a", "b", "b"]


async def test_what_was_recorded_beside_a_failure_is_not_paid_for_again(run: Run) -> None:
    with pytest.raises(TransientFailure):
        await run.ask("a", wrong=TransientFailure("busy"))
    kept = await run.ask("b")
    await run.claim()

    with pytest.raises(LimitReached):
        await run.ask("a")
    assert await run.ask("b") == kept
    assert run.made == ["a", "b"]


async def test_a_step_of_any_name_is_found_again(run: Run) -> None:
    names = ["plain", "x" * 300, "x" * 299 + "y", "nul \x00 and \ud800"]
    first = [await run.step(name) for name in names]
    await run.claim()

    assert [await run.step(name) for name in names] == first
    assert len(run.made) == len(names)


async def test_the_same_call_twice_is_two_records(run: Run) -> None:
    first = [await run.step("same"), await run.step("same")]
    await run.claim()

    assert [await run.step("same"), await run.step("same")] == first
    assert len(set(map(str, first))) == 2
