"""A person's retry: no recorded call is made again, and none that is in doubt without asking."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nexus.errors import Fenced
from nexus.models.projects import Approval
from nexus.orchestrator.deciding import Decision
from tests.orchestrator.hand import Hand, Killed
from tests.support.rig import Rig, plan, task
from tests.support.waiting import until

YES = Decision(True, "key_1")
NO = Decision(False, "key_1", "it went out")
BY_NAME = "send"
"""The key of a call that an agent in Python makes: the name of the tool."""


@pytest.fixture
async def hand(rig: Rig) -> AsyncIterator[Hand]:
    hand = Hand(rig)
    yield hand
    await hand.desks.aclose()


async def _retry(hand: Hand) -> None:
    """Cancel and retry the project, and claim its task anew."""
    engine = hand.engine
    await engine.run(lambda turn: engine.cancel(turn, "default", hand.project))
    await engine.run(lambda turn: engine.retry(turn, "default", hand.project))
    await hand.claim()


async def _asked(hand: Hand, key: str) -> Approval:
    """Meet a call first of all: what is in doubt is asked about instead."""
    with pytest.raises(Fenced):
        await hand.call(key)
    (asked,) = await hand.pending()
    assert "send of the task one was interrupted" in asked.question
    return asked


async def test_a_recorded_call_by_name_is_not_made_again(hand: Hand) -> None:
    await hand.start()
    assert await hand.call(BY_NAME) == "sent 1"
    for _ in range(2):
        await _retry(hand)
        assert await hand.call(BY_NAME) == "sent 1"
    assert len(hand.keys) == 1
    assert await hand.call(BY_NAME) == "sent 2"  # its second time is another call


async def test_a_recorded_call_of_an_older_conversation_is_no_answer(hand: Hand) -> None:
    await hand.start()
    await hand.call("a")
    await _retry(hand)
    assert await hand.call("a") == "sent 2"
    assert len(set(hand.keys)) == 2


@pytest.mark.parametrize("key", [BY_NAME, "a"])
async def test_an_interrupted_call_is_asked_about_and_keeps_its_key(hand: Hand, key: str) -> None:
    await hand.start()
    with pytest.raises(Killed):
        await hand.call(key, wrong=Killed())
    await _retry(hand)
    again = BY_NAME if key == BY_NAME else "of another conversation"

    await hand.decide(await _asked(hand, again), YES)
    await hand.claim()
    assert await hand.call(again) == "sent 2"
    await hand.again()
    assert await hand.call(again) == "sent 2"
    assert len(hand.keys) == 2
    assert len(set(hand.keys)) == 1


@pytest.mark.parametrize("key", [BY_NAME, "a"])
async def test_a_rejection_holds_until_the_next_retry(hand: Hand, key: str) -> None:
    await hand.start()
    (asked,) = await hand.interrupt(key)
    await hand.decide(asked, NO)
    await _retry(hand)

    await hand.decide(await _asked(hand, "b"), NO)
    await hand.claim()
    assert "it went out" in str(await hand.call("b"))
    assert len(hand.keys) == 1


async def test_a_question_that_expired_is_put_again(hand: Hand) -> None:
    await hand.start()
    await hand.interrupt(BY_NAME)
    for _ in range(2):
        await _retry(hand)
        await _asked(hand, BY_NAME)
    assert [one.status for one in await hand.approvals()] == ["expired", "expired", "pending"]
    assert len(hand.keys) == 1


async def test_a_letter_is_posted_once(rig: Rig, tmp_path: Path) -> None:
    options = json.dumps({"folder": str(tmp_path)})
    posted, engine, hand = tmp_path / "posted", rig.parts.engine, Hand(rig)
    (tmp_path / "jammed").touch()
    (tmp_path / "fails").touch()
    one = task("one", "correspondent", max_attempts=1, timeout_seconds=2, instructions=options)
    hand.project = project = await rig.start(plan(one))
    async with rig.worker():
        assert await rig.end(project) == "failed"  # out of time, in the middle of the call
        (tmp_path / "jammed").unlink()
        await engine.run(lambda turn: engine.retry(turn, "default", project))
        (asked,) = await until(hand.pending, timeout=30)
        assert len(posted.read_text().split()) == 1
        await hand.decide(asked, YES)
        assert await rig.end(project) == "failed"  # after the call
        (tmp_path / "fails").unlink()
        await engine.run(lambda turn: engine.retry(turn, "default", project))
        assert await rig.end(project) == "succeeded"
    keys = posted.read_text().split()
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert await rig.outputs(project) == {"one": '"posted"'}
