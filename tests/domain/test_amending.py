"""Amending and mending: what is kept stays word for word, keys never collide, the result compiles."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.domain.amending import amend, keys_of
from nexus.domain.graph import compile_plan
from nexus.domain.mending import AGAIN, failed_of, kept_of, mend
from nexus.domain.plan import Execution, Phase, Plan, PlanTask
from nexus.domain.work import TaskStanding

AGENTS = frozenset({"research", "content"})
EXECUTIONS = st.sampled_from(list(Execution))


@st.composite
def plans(draw: st.DrawFn, most: int = 4) -> Plan:
    """Draw a plan whose tasks depend on earlier ones alone."""
    phases: list[Phase] = []
    keys: list[str] = []
    for at in range(draw(st.integers(1, most))):
        tasks = []
        for _ in range(draw(st.integers(1, 3))):
            named = draw(st.lists(st.sampled_from(keys), unique=True, max_size=3)) if keys else []
            key = f"t{len(keys)}"
            tasks.append(PlanTask(key=key, title=key, agent="content", depends_on=named))
            keys.append(key)
        phases.append(Phase(key=f"p{at}", title="P", execution=draw(EXECUTIONS), tasks=tasks))
    return Plan(execution=draw(EXECUTIONS), phases=phases)


@st.composite
def standings(draw: st.DrawFn) -> tuple[Plan, Mapping[str, TaskStanding]]:
    """Draw a plan in the middle of its run: what has begun has all it depends on."""
    plan = draw(plans())
    found: dict[str, TaskStanding] = {}
    for _, _, task in plan.tasks():
        begun = all(found[key].status == "succeeded" for key in task.depends_on)
        states = ["succeeded", "running", "failed", "pending"] if begun else ["skipped", "pending"]
        found[task.key] = TaskStanding(draw(st.sampled_from(states)), error="it rained")
    return plan, found


@settings(deadline=None)
@given(standings(), plans())
def test_any_rest_can_follow_any_plan(
    standing: tuple[Plan, Mapping[str, TaskStanding]], rest: Plan
) -> None:
    plan, tasks = standing
    kept, used = kept_of(tasks), failed_of(tasks)
    amended = amend(plan, kept, rest, used=used)
    by_key = {task.key: task for _, _, task in amended.tasks()}
    for _, _, task in plan.tasks():
        if task.key in kept:
            assert by_key[task.key] == task
        if task.key in used:
            assert task.key not in by_key
    assert len(keys_of(amended)) == len(by_key)
    assert len({phase.key for phase in amended.phases}) == len(amended.phases)
    if amended.phases:
        compile_plan(amended, AGENTS)


@settings(deadline=None)
@given(standings(), st.none() | st.just("Make it blue."))
def test_any_run_can_be_mended_by_rule(
    standing: tuple[Plan, Mapping[str, TaskStanding]], comment: str | None
) -> None:
    plan, tasks = standing
    amended = amend(
        plan,
        kept_of(tasks),
        mend(plan, tasks, comment=comment, agents=AGENTS),
        used=failed_of(tasks),
    )
    compile_plan(amended, AGENTS)
    texts = " ".join(task.instructions for _, _, task in amended.tasks())
    assert texts.count(AGAIN) == len(failed_of(tasks))
    assert comment is None or "Make it blue." in texts


def test_what_failed_twice_is_left_out_and_those_that_need_it_are_told() -> None:
    first = PlanTask(key="a", title="A", agent="research", instructions=f"Look. {AGAIN}: no file.")
    second = PlanTask(key="b", title="B", agent="content", depends_on=["a"])
    plan = Plan(phases=[Phase(key="p", title="P", tasks=[first, second])])
    tasks = {"a": TaskStanding("failed", error="no file"), "b": TaskStanding("skipped")}
    ((_, _, left),) = mend(plan, tasks).tasks()
    assert (left.key, left.depends_on) == ("b", [])
    assert "The task a could not be done: no file." in left.instructions


@pytest.mark.parametrize("comment", [None, "Shorter, please."])
def test_where_nothing_remains_a_closing_task_hands_over_what_there_is(
    comment: str | None,
) -> None:
    done = PlanTask(key="a", title="A", agent="research")
    gone = PlanTask(key="b", title="B", agent="research", instructions=f"{AGAIN}: no.")
    plan = Plan(phases=[Phase(key="p", title="P", tasks=[done, gone])])
    tasks = {"a": TaskStanding("succeeded"), "b": TaskStanding("failed", error="no")}
    ((_, _, closing),) = mend(plan, tasks, comment=comment, agents=AGENTS).tasks()
    assert (closing.agent, closing.depends_on) == ("content", ["a"])
    assert "b could not be done: no." in closing.instructions
    assert comment is None or comment in closing.instructions


def test_a_task_of_the_rest_with_a_kept_key_means_the_kept_task() -> None:
    kept = PlanTask(key="a", title="A", agent="research")
    again = PlanTask(key="a", title="Other", agent="content")
    new = PlanTask(key="b", title="B", agent="content", depends_on=["a"])
    plan = Plan(phases=[Phase(key="p", title="P", tasks=[kept])])
    rest = Plan(phases=[Phase(key="p", title="P", tasks=[again, new])])
    amended = amend(plan, {"a"}, rest)
    assert [task for _, _, task in amended.tasks()] == [kept, new]
    assert [phase.key for phase in amended.phases] == ["p", "p-2"]
