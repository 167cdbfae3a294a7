"""Each reason a diagnosis can give, from the facts that lead to it and from no others."""

from dataclasses import replace

import pytest

from nexus.services.reasons import (
    CallFacts,
    Holder,
    Holders,
    PartFacts,
    Reason,
    Scene,
    SubtaskFacts,
    TaskFacts,
    Why,
    WorkerFacts,
    reasons_for,
)
from nexus.services.sentence import Standing, sentence_for

SECOND = 1_000_000
NOW = 1_750_000_000 * SECOND
SCENE = Scene(NOW, "running", 2, NOW - SECOND)
ALONE = replace(SCENE, live_workers=0)
QUEUED = SubtaskFacts("sub_1", "queued", 0, 3, NOW - SECOND, ahead=1_204)
RUNNING = SubtaskFacts(
    "sub_1",
    "running",
    2,
    3,
    NOW - 9 * SECOND,
    deadline_at=NOW + SECOND,
    owner="wrk_1",
    worker=WorkerFacts("host-1", NOW - 1_500_000, NOW + 13 * SECOND),
)
MARKET = Holder("tsk_1", "market", "research", "running")


def say(task: TaskFacts, scene: Scene = SCENE) -> list[tuple[Why, str]]:
    return [(reason.why, reason.text) for reason in reasons_for(task, scene)]


def test_a_task_of_a_planned_project_waits_to_be_executed() -> None:
    task = TaskFacts("pending", feeds=Holders((MARKET,), 1))
    assert say(task, replace(SCENE, project="planned")) == [
        (Why.NOT_EXECUTED, "the project is planned, and nobody has executed it")
    ]


@pytest.mark.parametrize(
    ("project", "why", "text"),
    [
        ("planning", Why.PLANNING, "the plan of the project is being written anew"),
        ("failed", Why.NOT_RETRIED, "the project has failed, and nobody has retried it"),
        ("cancelled", Why.NOT_RETRIED, "the project was cancelled, and nobody has retried it"),
    ],
)
def test_what_is_not_queued_yet_waits_for_its_project(project: str, why: Why, text: str) -> None:
    scene = replace(SCENE, project=project)
    assert say(TaskFacts("pending"), scene) == [(why, text)]
    assert say(TaskFacts("pending", feeds=Holders((MARKET,), 1)), scene) == [(why, text)]


def test_the_plan_itself_waits_in_the_queue_while_it_is_written() -> None:
    scene = replace(ALONE, project="planning")
    assert [why for why, _ in say(TaskFacts("queued", QUEUED), scene)] == [Why.NO_WORKER]


@pytest.mark.parametrize("live", [0, 2])
def test_in_a_paused_project_what_is_queued_waits_for_nobody_but_a_person(live: int) -> None:
    scene = replace(SCENE, project="paused", live_workers=live)
    paused = (Why.PAUSED, "the project is paused, and nobody has resumed it")
    assert say(TaskFacts("queued", QUEUED), scene) == [paused]
    assert say(TaskFacts("pending"), scene) == [paused]
    later = replace(QUEUED, attempt=1, run_at=NOW + SECOND)
    assert [why for why, _ in say(TaskFacts("running", later), scene)] == [
        Why.PAUSED,
        Why.NOT_BEFORE,
    ]
    assert say(TaskFacts("pending", feeds=Holders((MARKET,), 1)), scene) == [
        paused,
        (Why.DEPENDENCIES, "waits for market (running)"),
    ]
    assert [why for why, _ in say(TaskFacts("running", RUNNING), scene)] == [Why.RUNNING]


def test_dependencies_are_named_with_their_states_and_counted() -> None:
    task = TaskFacts("pending", feeds=Holders((MARKET,), 8_000))
    assert say(task) == [(Why.DEPENDENCIES, "waits for market (running) and 7,999 more")]


def test_a_phase_is_named_by_who_holds_it() -> None:
    task = TaskFacts("pending", phase=Holders((MARKET,), 1))
    assert say(task) == [(Why.PHASE, "waits until the phase research has ended: market (running)")]


def test_a_phase_that_only_earlier_phases_hold_is_said_without_names() -> None:
    assert say(TaskFacts("pending", phase=Holders())) == [
        (Why.PHASE, "waits until the phases before have ended")
    ]


def test_nothing_that_holds_a_task_back_is_a_fault_and_called_so() -> None:
    ((why, text),) = say(TaskFacts("pending"))
    assert why is Why.UNQUEUED
    assert "fault of Nexus" in text


def test_a_due_subtask_says_how_many_come_before_it() -> None:
    assert say(TaskFacts("queued", QUEUED)) == [
        (Why.QUEUED, "queued: 1,204 due subtasks before it")
    ]


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (NOW, "the last heartbeat was at 2025-06-15T15:06:40.000000Z"),
        (None, "there has been none lately"),
    ],
)
def test_no_worker_says_when_the_last_one_was_heard_of(last: int | None, words: str) -> None:
    scene = replace(ALONE, last_heartbeat_at=last)
    assert say(TaskFacts("queued", QUEUED), scene) == [
        (Why.NO_WORKER, f"queued, and no worker is alive: {words}")
    ]


def test_a_retry_says_when_and_after_what() -> None:
    later = replace(QUEUED, attempt=1, run_at=NOW + SECOND, last_error="too many requests")
    assert say(TaskFacts("running", later)) == [
        (
            Why.NOT_BEFORE,
            "not before 2025-06-15T15:06:41.000000Z: attempt 1 of 3 has ended, "
            "after: too many requests",
        )
    ]
    assert [why for why, _ in say(TaskFacts("running", later), ALONE)] == [
        Why.NOT_BEFORE,
        Why.NO_WORKER,
    ]


def test_running_says_where_since_when_and_until_when() -> None:
    assert say(TaskFacts("running", RUNNING)) == [
        (
            Why.RUNNING,
            "runs on wrk_1 on host-1, attempt 2 of 3; last heartbeat 1.5 s ago, "
            "lease until 2025-06-15T15:06:53.000000Z",
        )
    ]


def test_calls_in_flight_are_named_a_few_of_them() -> None:
    calls = tuple(CallFacts("tool", f"fetch_{n}", NOW - SECOND) for n in range(7))
    _, *found = say(TaskFacts("running", replace(RUNNING, calls=calls)))
    assert len(found) == 5
    assert found[0] == (Why.CALL, "waits for the tool fetch_0 since 2025-06-15T15:06:39.000000Z")


def test_a_time_limit_that_is_over_is_said() -> None:
    late = replace(RUNNING, deadline_at=NOW - SECOND)
    assert [why for why, _ in say(TaskFacts("running", late))] == [Why.RUNNING, Why.OVERDUE]


@pytest.mark.parametrize(
    ("scene", "end"),
    [(SCENE, "back to the queue"), (ALONE, "as soon as a worker is alive")],
)
@pytest.mark.parametrize("worker", [None, WorkerFacts("host-1", 0, NOW - SECOND)])
def test_a_lost_worker_is_said(scene: Scene, end: str, worker: WorkerFacts | None) -> None:
    ((why, text),) = say(TaskFacts("running", replace(RUNNING, worker=worker)), scene)
    assert why is Why.LEASE_OVER
    assert text.endswith(end)


def test_every_question_to_a_person_is_a_reason() -> None:
    asked = (("apr_1", "Again?"), ("apr_2", "Really?"))
    waiting = replace(QUEUED, status="waiting", approvals=asked)
    found = reasons_for(TaskFacts("waiting", waiting), ALONE)
    assert [(one.why, one.approval_id) for one in found] == [
        (Why.APPROVAL, "apr_1"),
        (Why.APPROVAL, "apr_2"),
    ]


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ("", "waits for calls in flight, which may leave room in the budget"),
        ("5 calls of max_calls 5 calls", "waits for the project's budget: 5 calls of max_calls"),
    ],
)
def test_what_waits_for_the_budget_says_so(budget: str, words: str) -> None:
    waiting = replace(QUEUED, status="waiting", waits_for_budget=True)
    scene = replace(SCENE, project="waiting", budget=budget)
    ((why, text),) = say(TaskFacts("waiting", waiting), scene)
    assert why is Why.BUDGET
    assert text.startswith(words)
    assert sentence_for(scene, Standing(), ()).startswith("it waits for its budget: ")


def test_delegated_parts_are_named_with_what_they_wait_for() -> None:
    parts = (PartFacts("sub_2", "running"), PartFacts("sub_3", "waiting"))
    waiting = replace(QUEUED, status="waiting", parts=parts, approvals=(("apr_1", "Which year?"),))
    assert say(TaskFacts("waiting", waiting)) == [
        (Why.PARTS, "waits for 2 delegated parts: sub_2 (running), sub_3 (waiting)"),
        (Why.APPROVAL, "waits for a person: Which year?"),
    ]
    many = tuple(PartFacts(f"sub_{n}", "queued") for n in range(12))
    ((_, text),) = say(TaskFacts("waiting", replace(QUEUED, status="waiting", parts=many)))
    assert text.startswith("waits for 12 delegated parts: sub_0 (queued), ")
    assert text.endswith(" and 2 more")


@pytest.mark.parametrize(
    ("project", "standing", "sentence"),
    [
        ("planned", Standing(), "it is planned, and waits until somebody executes it"),
        ("paused", Standing(), "it is paused, and waits until somebody resumes it"),
        ("failed", Standing(error="the key is wrong"), "it has failed: the key is wrong"),
        ("waiting", Standing(approvals=2), "it waits for a person: 2 approvals to decide"),
        (
            "running",
            Standing(running=1, due=2, later=1, waiting=1, blocked=1_000, approvals=1),
            "1 task running, 3 queued, 1 waiting, 1,000 held back; 1 approval to decide",
        ),
        ("running", Standing(due=3), "3 tasks due and not taken by a worker yet"),
        (
            "running",
            Standing(later=1, next_run_at=NOW),
            "1 task tried again later, the next not before 2025-06-15T15:06:40.000000Z",
        ),
    ],
)
def test_a_project_is_said_in_a_sentence(project: str, standing: Standing, sentence: str) -> None:
    assert sentence_for(replace(SCENE, project=project), standing, ()) == sentence


def test_due_work_without_workers_is_what_a_project_waits_for() -> None:
    words = "nothing moves: 1 task due, and no worker is alive"
    assert sentence_for(ALONE, Standing(due=1, blocked=4), ()) == words


def test_a_project_whose_plan_is_written_says_what_that_waits_for() -> None:
    scene = replace(SCENE, project="planning")
    planning = [Reason(Why.QUEUED, "queued: 0 due subtasks before it")]
    assert sentence_for(scene, Standing(), planning) == (
        "its plan is being written: queued: 0 due subtasks before it"
    )
