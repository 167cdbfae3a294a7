"""Interrupted unsafe calls: put to a person, decided once, and never made again unasked."""

import signal
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from nexus.domain.seam import CallKind
from nexus.errors import Conflict, Fenced, NotFound, PermanentFailure
from nexus.orchestrator.asking import ask, renew
from nexus.orchestrator.deciding import Decision
from tests.orchestrator.hand import Hand, Killed
from tests.support.databases import ON_POSTGRESQL
from tests.support.rig import Rig, plan, task
from tests.support.waiting import until

A_MILLISECOND_US = 1_000
YES = Decision(True, "key_1")
NO = Decision(False, "key_1", "it went out")


@pytest.fixture
async def hand(rig: Rig) -> AsyncIterator[Hand]:
    hand = Hand(rig)
    yield hand
    await hand.desks.aclose()


async def test_an_interrupted_unsafe_call_is_put_to_a_person(hand: Hand) -> None:
    await hand.start()

    (asked,) = await hand.interrupt()

    assert "send of the task one was interrupted" in asked.question
    assert (asked.kind, asked.number, asked.used_at) == ("interrupted_call", 0, None)
    assert await hand.states() == ("waiting", "waiting", "waiting")
    (subtask,) = await hand.rig.subtasks(hand.project)
    assert (subtask.owner, subtask.attempt, subtask.attempt_open) == (None, 1, 1)
    assert (await hand.events())[-4:] == [
        "approval.requested",
        "subtask.waiting",
        "task.waiting",
        "project.waiting",
    ]
    assert len(hand.keys) == 1


async def test_an_approved_call_is_made_again_under_the_same_key(hand: Hand) -> None:
    await hand.start()
    (asked,) = await hand.interrupt()

    await hand.decide(asked, YES)
    assert await hand.states() == ("running", "running", "queued")
    assert (await hand.events())[-4:] == [
        "approval.decided",
        "project.resumed",
        "subtask.queued",
        "task.started",
    ]
    await hand.claim()

    assert await hand.call() == "sent 2"
    assert len(set(hand.keys)) == 1
    (used,) = await hand.approvals()
    assert used.status == "approved"
    assert used.used_at is not None
    await hand.again()
    assert await hand.call() == "sent 2"
    assert len(hand.keys) == 2
    assert hand.claimed.attempt == 1


async def test_a_value_is_the_result_and_no_call_is_made(hand: Hand) -> None:
    await hand.start()
    (asked,) = await hand.interrupt()

    await hand.decide(asked, replace(YES, gives_value=True, value={"letter": 7}))
    for _ in range(2):
        await hand.again() if hand.claimed.held.claim > 3 else await hand.claim()
        assert await hand.call() == {"letter": 7}

    assert len(hand.keys) == 1
    assert (await hand.approvals())[0].used_at is not None


async def test_a_rejected_tool_call_is_a_refusal_the_model_reads_every_time(hand: Hand) -> None:
    await hand.start()
    (asked,) = await hand.interrupt()

    await hand.decide(asked, NO)
    await hand.claim()
    first = await hand.call()
    await hand.again()

    assert await hand.call() == first
    assert isinstance(first, dict)
    assert "decided against repeating it: it went out" in str(first["error"])
    assert len(hand.keys) == 1


async def test_a_rejected_step_fails_every_time(hand: Hand) -> None:
    await hand.start()
    (asked,) = await hand.interrupt(kind=CallKind.STEP)

    await hand.decide(asked, NO)
    await hand.claim()
    with pytest.raises(PermanentFailure, match="it went out"):
        await hand.call(kind=CallKind.STEP)
    await hand.again()
    with pytest.raises(PermanentFailure) as refused:
        await hand.call(kind=CallKind.STEP)

    assert refused.value.reason == "call_rejected"
    assert len(hand.keys) == 1


async def test_a_call_interrupted_again_is_asked_about_again(hand: Hand) -> None:
    await hand.start()
    (asked,) = await hand.interrupt()
    await hand.decide(asked, YES)
    await hand.claim()

    (again,) = await hand.interrupt()

    assert again.id != asked.id
    first, second = await hand.approvals()
    assert [first.status, second.status] == ["approved", "pending"]
    await hand.decide(again, YES)
    await hand.claim()
    assert await hand.call() == "sent 3"
    assert (await hand.approvals())[0].used_at == first.used_at
    assert len(set(hand.keys)) == 1


async def test_an_error_that_says_nothing_leaves_the_call_in_doubt(hand: Hand) -> None:
    await hand.start()
    with pytest.raises(ValueError, match="broken pipe"):
        await hand.call(wrong=ValueError("broken pipe"))
    await hand.again()

    with pytest.raises(Fenced):
        await hand.call()
    assert len(await hand.pending()) == 1


async def test_an_approval_outlives_a_worker_that_dies_before_it_uses_it(hand: Hand) -> None:
    await hand.start()
    (asked,) = await hand.interrupt()
    await hand.decide(asked, YES)
    await hand.claim()
    await hand.again()

    assert await hand.call() == "sent 2"
    assert await hand.pending() == []


async def test_everything_in_doubt_is_asked_at_once(hand: Hand) -> None:
    await hand.start()
    first, second = await hand.interrupt("a", "b")

    await hand.decide(second, NO)
    assert await hand.states() == ("waiting", "waiting", "waiting")
    await hand.decide(first, YES)
    assert await hand.states() == ("running", "running", "queued")
    await hand.claim()

    assert await hand.call("a") == "sent 3"
    assert "error" in str(await hand.call("b"))


async def test_a_project_waits_only_when_nothing_else_of_it_can_move(hand: Hand) -> None:
    await hand.start("one", "two", "three")
    two = await hand.take("two")
    (asked,) = await hand.interrupt()
    assert await hand.states() == ("running", "waiting", "waiting")

    two = await hand.take("two")
    await hand.settle(two)
    assert (await hand.states())[0] == "running"  # three is queued
    await hand.settle(await hand.take("three"))
    assert (await hand.states())[0] == "waiting"

    await hand.decide(asked, YES)
    await hand.claim()
    await hand.call()
    await hand.settle(hand.claimed)
    assert (await hand.rig.row(hand.project)).status == "succeeded"


async def test_a_decision_is_taken_once(hand: Hand) -> None:
    await hand.start()
    (asked,) = await hand.interrupt()
    await hand.decide(asked, NO)

    with pytest.raises(Conflict, match="rejected at") as again:
        await hand.decide(asked, YES)
    assert again.value.reason == "already_decided"
    with pytest.raises(NotFound):
        await hand.engine.run(lambda turn: hand.engine.decide(turn, "other", asked.id, YES))


async def test_cancelling_expires_what_is_asked_and_retry_goes_on(hand: Hand) -> None:
    await hand.start()
    (asked,) = await hand.interrupt()
    engine = hand.engine

    await engine.run(lambda turn: engine.cancel(turn, "default", hand.project))
    assert await hand.states() == ("cancelled", "cancelled", "cancelled")
    assert [one.status for one in await hand.approvals()] == ["expired"]
    with pytest.raises(Conflict, match="cancelled before anybody decided"):
        await hand.decide(asked, YES)

    await engine.run(lambda turn: engine.retry(turn, "default", hand.project))
    await hand.settle(await hand.take())
    assert (await hand.rig.row(hand.project)).status == "succeeded"
    await engine.run(lambda turn: engine.delete(turn, "default", hand.project))
    assert await hand.approvals() == []


async def test_waiting_does_not_count_against_the_time_limit(hand: Hand) -> None:
    await hand.start()
    (asked,) = await hand.interrupt()
    (before,) = await hand.rig.subtasks(hand.project)
    assert before.deadline_at is not None

    await hand.decide(asked, YES)

    (after,) = await hand.rig.subtasks(hand.project)
    assert after.deadline_at is not None
    waited = after.run_at - before.run_at
    assert waited > 0
    assert abs((after.deadline_at - before.deadline_at) - waited) < A_MILLISECOND_US


async def test_repeating_a_commit_whose_answer_was_lost_is_harmless(hand: Hand) -> None:
    await hand.start()
    with pytest.raises(Killed):
        await hand.call(wrong=Killed())
    await hand.again()
    held = hand.claimed.held
    assert await hand.engine.run(lambda turn: ask(turn, held))
    with pytest.raises(Fenced):
        await hand.engine.run(lambda turn: ask(turn, held))
    (asked,) = await hand.pending()
    await hand.decide(asked, YES)
    await hand.claim()

    now = hand.claimed.held
    for _ in range(2):
        await hand.engine.run(lambda turn: renew(now, 0))
    with pytest.raises(Fenced):
        await hand.engine.run(lambda turn: renew(held, 0))


@ON_POSTGRESQL
async def test_a_worker_killed_inside_an_unsafe_call(rig: Rig) -> None:
    hand = Hand(rig)
    hand.project = await rig.start(plan(task("one", "sender", instructions=_options(rig))))
    keys = rig.folder / "keys"
    first = rig.worker_process()
    await until(lambda: keys.exists() and keys.read_text(), timeout=30)
    first.send_signal(signal.SIGKILL)
    rig.worker_process()
    (asked,) = await until(hand.pending, timeout=30)
    assert await hand.states() == ("waiting", "waiting", "waiting")

    (rig.folder / "open").write_text("")
    await hand.decide(asked, YES)

    assert await rig.end(hand.project) == "succeeded"
    assert len(set(keys.read_text().split())) == 1
    assert len(keys.read_text().split()) == 2
    assert await rig.outputs(hand.project) == {"one": '"sent"'}
    assert len(await hand.approvals()) == 1


def _options(rig: Rig) -> str:
    return f'{{"folder": "{rig.folder}"}}'
