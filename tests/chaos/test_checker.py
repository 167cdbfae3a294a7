"""The history checker finds what is wrong: histories that are right, and forged in one place."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import pytest

from tests.chaos.cancelling import begun_after_cancel, effects_after_cancel, events_after_cancel
from tests.chaos.checker import check, every_project_ends_or_says_why
from tests.chaos.conversation import Asked
from tests.chaos.evidence import Done, Evidence
from tests.chaos.spending import sums_that_differ
from tests.support.history import History, Row

SECOND: Final = 1_000_000
BEGUN, CANCELLED, ANSWERED = 10 * SECOND, 11 * SECOND, 12 * SECOND
CALLED: Final[dict[str, Any]] = {"input_tokens": 100, "output_tokens": 20, "cost_usd": "0.0042"}


def history(status: str = "succeeded", **changes: Any) -> History:
    """A project with a task whose subtask made one call."""
    spent = {"input_tokens": 100, "output_tokens": 20, "cost_pico_usd": 4_200_000_000}
    own = {"id": "prj_1", "name": "Project 0", "status": status, "error": None}
    project = {**own, **spent, "unpriced_requests": 0, **changes}
    tasks = [{"id": "tsk_1", "key": "t0", "node": 0}]
    subtasks = [{"id": "sub_1", "task_id": "tsk_1", **spent}]
    return History(project, tasks, subtasks, [event("model.called", **CALLED)], (), (), ())


def event(kind: str, at: int = BEGUN, **data: Any) -> Row:
    return {"type": kind, "at": at, "seq": 1, "data": json.dumps(data)}


def record(kind: str = "model", status: str = "begun", begun_at: int = BEGUN) -> Row:
    """A call of the one subtask."""
    own = {
        "subtask_id": "sub_1",
        "origin": None,
        "number": 3,
        "key": "walk",
        "kind": kind,
        "status": status,
    }
    return {**own, "begun_at": begun_at}


def evidence(one: History, journal: Sequence[Row] = (), **changes: Any) -> Evidence:
    """What a run left behind, with one project."""
    whole = Evidence(
        installation_id="ins_1",
        histories=[one],
        journal=journal,
        workers=(),
        approvals=(),
        calls=(),
        effects=(),
        keys=(),
        accepted=frozenset({"prj_1"}),
        left_planned=frozenset(),
        cancelled={},
        interruptions=0,
        strays=(),
        temporaries=(),
        gathered_us=20 * SECOND,
        lease_seconds=1.0,
    )
    return replace(whole, **changes)


def cancelled(journal: Sequence[Row] = (), **changes: Any) -> Evidence:
    """A run whose project was cancelled."""
    one = history("cancelled")
    one = replace(one, events=[*one.events, event("project.cancelled", CANCELLED)])
    return evidence(one, journal, cancelled={"prj_1": ANSWERED}, **changes)


def arrived(at_us: int) -> list[Asked]:
    return [Asked(1, at_us, "fingerprint", "t0", "Project 0")]


@pytest.mark.parametrize("status", ["succeeded", "waiting", "paused"])
def test_an_end_and_a_wait_explain_themselves(status: str) -> None:
    assert list(every_project_ends_or_says_why(evidence(history(status)))) == []


@pytest.mark.parametrize("status", ["planned", "planning", "running"])
def test_what_was_started_and_has_not_ended_is_unexplained(status: str) -> None:
    assert list(every_project_ends_or_says_why(evidence(history(status)))) == [
        f"prj_1 is still {status}"
    ]


def test_a_plan_that_the_fault_left_alone_is_explained() -> None:
    left = evidence(history("planned"), left_planned=frozenset({"prj_1"}))
    assert list(every_project_ends_or_says_why(left)) == []


def test_sums_that_agree_are_right() -> None:
    assert list(sums_that_differ(history())) == []


@pytest.mark.parametrize("name", ["input_tokens", "output_tokens", "cost_pico_usd"])
def test_a_row_that_says_less_than_its_events_and_its_subtasks_is_found(name: str) -> None:
    changed: dict[str, Any] = {name: 1}
    wrong = list(sums_that_differ(history(**changed)))
    assert len(wrong) == 2
    assert all(f" {name} in its " in sentence for sentence in wrong)


def test_a_subtask_that_was_charged_twice_is_found() -> None:
    one = history()
    twice = [{**row, "cost_pico_usd": 2 * row["cost_pico_usd"]} for row in one.subtasks]
    (wrong,) = sums_that_differ(replace(one, subtasks=twice))
    assert "8400000000 cost_pico_usd in its subtasks" in wrong


def test_a_call_without_a_price_must_be_counted_as_such() -> None:
    one = history(cost_pico_usd=0)
    free = [{**row, "cost_pico_usd": 0} for row in one.subtasks]
    unknown = [event("model.called", **{**CALLED, "cost_usd": None})]
    (wrong,) = sums_that_differ(replace(one, subtasks=free, events=unknown))
    assert "1 calls without a price" in wrong


def test_what_was_in_flight_may_arrive_after_the_answer_to_a_cancel() -> None:
    letters = [Done("sub_1:3", "mark", ANSWERED + SECOND)]
    calls = arrived(ANSWERED + SECOND)
    assert list(effects_after_cancel(cancelled([record()], calls=calls))) == []
    assert list(effects_after_cancel(cancelled([record("tool")], effects=letters))) == []


@pytest.mark.parametrize(
    "journal",
    [[], [record(status="recorded")], [record(begun_at=CANCELLED + SECOND)], [record("tool")]],
    ids=["unknown", "recorded", "begun later", "another call"],
)
def test_a_call_that_was_not_in_flight_at_a_cancel_is_found(journal: list[Row]) -> None:
    late = arrived(ANSWERED + SECOND)
    assert list(effects_after_cancel(cancelled(journal, calls=late))) == [
        "prj_1: 1 calls of t0 were made after cancel's answer"
    ]
    assert list(effects_after_cancel(cancelled(journal, calls=arrived(CANCELLED)))) == []


@pytest.mark.parametrize("key", ["sub_1:4", "sub_1/walk 2"])
def test_an_effect_that_was_not_in_flight_at_a_cancel_is_found(key: str) -> None:
    journal = [record("tool"), record("step")]
    late = [Done(key, "mark", ANSWERED + SECOND)]
    assert list(effects_after_cancel(cancelled(journal, effects=late))) == [
        f"the effect {key} (mark) began after cancel's answer"
    ]


def test_an_intent_that_was_committed_after_a_cancel_is_found() -> None:
    (wrong,) = begun_after_cancel(cancelled([record(begun_at=ANSWERED + SECOND)]))
    assert wrong == "sub_1:3 was begun after cancel's answer"


def test_an_event_after_a_cancel_is_found() -> None:
    good = cancelled()
    (one,) = good.histories
    late = replace(one, events=[*one.events, event("task.succeeded", ANSWERED)])
    (wrong,) = events_after_cancel(replace(good, histories=[late]))
    assert "task.succeeded after project.cancelled" in wrong


def test_the_whole_check_names_the_invariants() -> None:
    lost = evidence(history(), histories=[], strays=["7 nexus worker"])
    assert check(lost) == [
        "I1: prj_1 was accepted and is gone",
        "I9: a process is left: 7 nexus worker",
    ]
