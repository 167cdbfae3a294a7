"""Replay over the journal: what is counted, found again, and kept."""

from collections.abc import AsyncIterator

import pytest

from nexus.errors import LimitReached, TransientFailure
from tests.orchestrator.claimed_run import Killed, Run
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
