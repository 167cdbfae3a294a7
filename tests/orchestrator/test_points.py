"""Around commits of rare acts an answer is lost on its way: each is kept, tried again, done once."""

from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest

from nexus.domain.budget import Budget, Limit
from nexus.domain.consent import Ask, AskKind
from nexus.domain.delegation import Part
from nexus.domain.seam import Call, CallKind, Effect, Recorded
from nexus.errors import Conflict, Fenced, ServiceMissing
from nexus.orchestrator.deciding import Decision
from nexus.orchestrator.value_files import ROW_BYTES
from nexus.schemas.approvals import ApprovalDecide
from nexus.services.approvals import decide_approval
from nexus.services.caller import Caller
from nexus.services.idempotency import Once
from tests.orchestrator.claimed_run import Run
from tests.orchestrator.hand import Hand, Killed
from tests.support.rig import WORKSPACE, Rig

YES = Decision(True, "key_1")
ANYONE = Caller("key_1", WORKSPACE, frozenset(), None)
Lose = Callable[[str], Counter[str]]

pytestmark = pytest.mark.parametrize("side", ["before_commit", "committed"])


@pytest.fixture
def lose(monkeypatch: pytest.MonkeyPatch) -> Lose:
    """Lose the answer at the first passing of a point; gives what was passed, and how often."""

    def arm(name: str) -> Counter[str]:
        passed = Counter[str]()

        def pass_by(point: str) -> None:
            passed[point] += 1
            if point == name and passed[point] == 1:
                raise ServiceMissing(f"dropped at {name}", code="outcome_unknown")

        monkeypatch.setattr("nexus.orchestrator.engine.failpoint", pass_by)
        monkeypatch.setattr("nexus.orchestrator.engine.AGAIN_SECONDS", 0.0)
        return passed

    return arm


@pytest.fixture
async def hand(rig: Rig) -> AsyncIterator[Hand]:
    hand = Hand(rig)
    await hand.start()
    yield hand
    await hand.desks.aclose()


@pytest.fixture
async def run(rig: Rig) -> AsyncIterator[Run]:
    made = Run(rig, most_model_calls=5)
    await made.start()
    yield made
    await made.end()


async def test_a_question_is_asked_once(hand: Hand, lose: Lose, side: str) -> None:
    with pytest.raises(Killed):
        await hand.call(wrong=Killed())
    await hand.again()
    passed = lose(f"ask.{side}")
    with pytest.raises(Fenced):
        await hand.call()
    assert passed["ask.before_commit"] >= 1
    assert len(await hand.pending()) == 1
    assert await hand.states() == ("waiting", "waiting", "waiting")


async def test_what_needs_leave_is_asked_about_once(hand: Hand, lose: Lose, side: str) -> None:
    passed = lose(f"ask.{side}")
    ask = Ask(AskKind.TOOL_CALL, "May it?")
    call = Call(CallKind.TOOL, "send", "a", "0" * 64, Effect.UNSAFE, ask=ask)
    with pytest.raises(Fenced):
        await hand.seam.call(call, _never)
    assert passed[f"ask.{side}"] >= 1
    assert len(await hand.pending()) == 1


async def test_an_approval_is_used_once(hand: Hand, lose: Lose, side: str) -> None:
    (asked,) = await hand.interrupt()
    await hand.decide(asked, YES)
    await hand.claim()
    passed = lose(f"renew.{side}")
    assert await hand.call() == "sent 2"
    assert passed[f"renew.{side}"] == 2
    assert len(set(hand.keys)) == 1


async def test_parts_are_given_once(hand: Hand, lose: Lose, side: str) -> None:
    passed = lose(f"delegate.{side}")
    parts = (Part("quick", "Do it.", "a part"),)
    call = Call(CallKind.STEP, "delegate", "d", "0" * 64, parts=parts)
    with pytest.raises(Fenced):
        await hand.seam.call(call, _never)
    assert passed[f"delegate.{side}"] >= 1
    subtasks = await hand.rig.subtasks(hand.project)
    assert Counter(one.kind for one in subtasks) == {"work": 1, "delegated": 1}


async def test_a_wait_for_the_budget_begins_once(run: Run, rig: Rig, lose: Lose, side: str) -> None:
    engine = rig.parts.engine
    budget = Budget({Limit.CALLS: 1})
    await engine.run(lambda turn: engine.set_budget(turn, WORKSPACE, run.project, budget))
    await run.ask("a")
    passed = lose(f"hold.{side}")
    with pytest.raises(Fenced):
        await run.ask("b")
    assert passed[f"hold.{side}"] >= 1
    assert (await run.told()).count("subtask.waiting") == 1
    assert run.made == ["a"]


async def test_a_tail_is_cut_once(run: Run, lose: Lose, side: str) -> None:
    await run.ask("a")
    await run.claim()
    await run.ask("b")
    passed = lose(f"cut.{side}")
    await run.close()
    assert passed[f"cut.{side}"] == 2
    assert (await run.told()).count("subtask.superseded") == 1


async def test_a_lost_value_is_made_again_once(run: Run, lose: Lose, side: str) -> None:
    large = "x" * 2 * ROW_BYTES
    await run.use(Effect.IDEMPOTENT, large)
    for file in run.folder.iterdir():
        file.unlink()
    await run.claim()
    passed = lose(f"reopen.{side}")
    assert await run.use(Effect.IDEMPOTENT, large) == large
    assert passed[f"reopen.{side}"] == 2
    assert run.made == ["id", "id"]
    assert len(set(run.keys)) == 1


async def test_a_decision_counts_once(hand: Hand, lose: Lose, side: str) -> None:
    (asked,) = await hand.interrupt()
    wanted = ApprovalDecide(decision="approve", comment=None, value=None)
    once = Once(WORKSPACE, f"POST /approvals/{asked.id}", None, "")
    lose(f"decide.{side}")

    with pytest.raises(ServiceMissing):
        await decide_approval(hand.engine, ANYONE, asked.id, wanted, once)
    if side == "committed":
        with pytest.raises(Conflict):
            await decide_approval(hand.engine, ANYONE, asked.id, wanted, once)
    else:
        await decide_approval(hand.engine, ANYONE, asked.id, wanted, once)
    assert (await hand.events()).count("approval.decided") == 1
    assert await hand.states() == ("running", "running", "queued")


async def _never(key: str) -> Recorded:
    raise AssertionError("this call is not to be made")
