"""Replay over the journal: what is counted, found again, and kept."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from nexus.errors import Fenced, LimitReached, TransientFailure
from nexus.orchestrator.claiming import release_all
from nexus.orchestrator.hand import now
from tests.orchestrator.claimed_run import WORKER, Killed, Run
from tests.support.rig import Rig


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


async def test_calls_made_side_by_side_may_come_in_another_order(run: Run) -> None:
    kept = await run.ask("a")
    await run.claim()

    await run.ask("b")
    assert await run.ask("a") == kept
    await run.close()
    assert run.made == ["a", "b"]
    assert "subtask.superseded" not in await run.told()


async def test_a_reply_that_a_whole_run_did_not_ask_for_is_cut(run: Run) -> None:
    await run.ask("a")
    await run.claim()

    await run.ask("b")
    await run.close()
    await run.end()
    assert [one.status for one in await run.records()] == ["superseded", "recorded"]
    assert "subtask.superseded" in await run.told()


async def test_a_call_that_slept_past_its_lease_is_not_made_after_another_took_the_claim(
    rig: Rig, run: Run
) -> None:
    engine = rig.parts.engine
    [subtask] = await rig.subtasks(run.project)

    async def wake_late() -> None:
        """The process slept between the commit of the intent and the call; its pulse woke first."""
        run.hand.lease_until = now() - 1
        await engine.run(lambda turn: release_all(turn, WORKER, "another had it"))
        run.hand.renew(now(), 60)

    run.meanwhile = wake_late
    with pytest.raises(Fenced):
        await run.step("send")
    assert run.made == []
    [record] = await run.records()
    assert (record.status, record.subtask_id) == ("begun", subtask.id)


async def test_a_call_that_comes_late_goes_on_once_the_lease_is_renewed(run: Run) -> None:
    async def sleep() -> None:
        run.hand.lease_until = now() - 1
        asyncio.get_running_loop().call_later(0.1, renew)

    def renew() -> None:
        run.hand.renew(now(), 60)

    run.meanwhile = sleep
    assert await run.step("send", "sent") == "sent"
