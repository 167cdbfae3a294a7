"""A worker that lost a claim and took the same subtask again writes under both in one batch."""

from collections.abc import AsyncIterator

import pytest

from nexus.domain.seam import Call, CallKind, Recorded, Usage
from nexus.errors import Fenced
from nexus.orchestrator.batch import Answer, Settle, Wish, write_batch
from nexus.orchestrator.claiming import release_all
from nexus.orchestrator.material import Recall
from nexus.orchestrator.outcomes import Outcome
from nexus.orchestrator.queueing import Share
from nexus.orchestrator.recording import Begin, Done, Intent
from nexus.orchestrator.transitions.subtasks import Held
from nexus.orchestrator.value_files import Kept
from tests.orchestrator.hand import WORKER, Hand
from tests.support.rig import Rig, plan, task


@pytest.fixture
async def hand(rig: Rig) -> AsyncIterator[Hand]:
    hand = Hand(rig)
    hand.project = await rig.start(plan(task("one", "quick"), task("two", "quick", "one")))
    yield hand


async def _claim_twice(hand: Hand) -> tuple[Held, Held]:
    """Return the claim that was lost and the one that holds."""
    lost = (await hand.take()).held
    await hand.engine.run(lambda turn: release_all(turn, WORKER, "a test"))
    return lost, (await hand.take()).held


async def _write(hand: Hand, *wishes: Wish) -> list[Answer]:
    share = Share(4, 1, WORKER)
    return await hand.engine.run(lambda turn: write_batch(turn, WORKER, wishes, share, Recall()))


async def test_only_the_outcome_of_the_claim_that_holds_counts(hand: Hand) -> None:
    lost, holds = await _claim_twice(hand)

    now, then = await _write(
        hand, Settle(holds, Outcome("right"), 0), Settle(lost, Outcome("wrong"), 0)
    )

    assert isinstance(then, Fenced)
    assert isinstance(now, list)
    (taken,) = now
    assert taken.material
    assert dict(taken.material.brief.inputs) == {"one": "right"}
    assert (await hand.events()).count("task.succeeded") == 1


async def test_only_the_calls_of_the_claim_that_holds_are_written(hand: Hand) -> None:
    lost, holds = await _claim_twice(hand)
    call = Call(CallKind.MODEL, "offline", "", "f" * 64)
    first, second = (Intent(call, number, number, 0, Kept("null")) for number in (0, 1))
    reply = Recorded(None, Usage(1, 10, 5, 7))

    begun = await _write(hand, Begin(lost, second), Begin(holds, first))
    done = [Done(held, first, reply, Kept('"reply"')) for held in (lost, holds)]
    recorded = await _write(hand, *done)
    again = await _write(hand, done[1])

    assert [isinstance(one, Fenced) for one in (*begun, *recorded, *again)] == [
        *(True, False),
        *(True, False),
        False,
    ]
    (subtask,) = await hand.rig.subtasks(hand.project)
    assert (subtask.requests, subtask.input_tokens, subtask.cost_pico_usd) == (1, 10, 7)
    assert (await hand.rig.row(hand.project)).cost_pico_usd == 7
    assert (await hand.events()).count("model.called") == 1
