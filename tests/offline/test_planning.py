"""Any goal gives a plan the engine accepts, whose only open end is the report."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.domain.graph import compile_plan
from nexus.domain.plan import Plan
from nexus.llm.offline.goal import read_goal, read_subject
from nexus.llm.offline.planning import make_plan, smallest_plan
from nexus.llm.offline.prompt import Prompt, Source
from tests.offline.line import AGENTS, EXAMPLE, World, plan_goal

TEXT = Source("documents/notes.md", "Notes", "text/markdown")
TABLE = Source("documents/figures.csv", "Figures", "text/csv")


def last_tasks(plan: Plan) -> list[str]:
    """List the tasks that nothing depends on: what the deliverable is made of."""
    tasks = [task for _, _, task in plan.tasks()]
    needed = {key for task in tasks for key in task.depends_on}
    return [task.key for task in tasks if task.key not in needed]


@settings(deadline=None)
@given(
    st.text(min_size=1, max_size=3_000),
    st.lists(st.sampled_from([TEXT, TABLE]), max_size=12),
    st.sets(st.sampled_from(sorted(AGENTS)), min_size=1),
)
def test_any_goal_gives_a_valid_plan(goal: str, documents: list[Source], agents: set[str]) -> None:
    prompt = Prompt("manager", goal, documents=tuple(documents), agents=(*agents, "manager"))
    for plan in (make_plan(prompt), smallest_plan(prompt)):
        compile_plan(Plan.model_validate(plan.model_dump(mode="json")), frozenset(agents))
        assert last_tasks(plan) == ["report"]


@pytest.mark.parametrize(
    "goal",
    [
        "Penguins",
        "南極のペンギンについて調べてください。",
        "Pinguine?",
        "x" * 20_000,
        "Why is it so? " * 1_400,
        "…",
        "🐧",
    ],
)
async def test_odd_goals(goal: str) -> None:
    plan = await plan_goal(goal)
    assert last_tasks(plan) == ["report"]


async def test_no_sentence_of_a_long_goal_is_dropped() -> None:
    goal = " ".join(f"What of subject{at} in the long winter?" for at in range(40))
    plan = await plan_goal(goal)
    said = " ".join(task.instructions for _, _, task in plan.tasks() if task.agent == "research")
    assert all(f"subject{at} " in said for at in range(40))


async def test_the_example_is_planned_by_its_questions_and_its_table(tmp_path: Path) -> None:
    world = World.of(tmp_path, sorted(p for p in EXAMPLE.iterdir() if p.suffix in (".csv", ".md")))
    plan = await plan_goal((EXAMPLE / "goal.txt").read_text("utf-8"), world)
    agents = [task.agent for _, _, task in plan.tasks()]
    assert agents == ["research"] * 4 + ["data", "qa", "content"]
    report = list(plan.tasks())[-1][2]
    assert report.title == "The three penguin species of the Palmer Archipelago"
    assert all(task.acceptance for _, _, task in plan.tasks())


async def test_a_declared_agent_is_used_when_the_goal_names_it() -> None:
    goal = "Geocode the colonies. Write a report on them."
    plan = await plan_goal(goal, extra="\n- geocode: finds coordinates")
    assert "geocode" in [task.agent for _, _, task in plan.tasks()]


def test_a_program_is_asked_of_the_code_agent() -> None:
    plan = make_plan(Prompt("manager", "Write a Python script that sorts a list."))
    assert "code" in [task.agent for _, _, task in plan.tasks()]


@pytest.mark.parametrize(
    ("goal", "subject"),
    [
        ("Write a report on solar power in Kenya.", "Solar power in Kenya"),
        ("Please give me an overview of tea.", "Tea"),
        ("Explain why the sky is blue", "Why the sky is blue"),
        ("Penguins", "Penguins"),
    ],
)
def test_the_subject_names_the_report(goal: str, subject: str) -> None:
    assert read_subject(goal) == subject


def test_sentences_are_sorted_by_what_they_want() -> None:
    goal = read_goal(
        "Write a report on tea. Where is it grown? Compute the average price. Keep it short."
    )
    assert goal.aspects == ("Where is it grown?",)
    assert goal.figures == ("Compute the average price.",)
    assert goal.form == ("Write a report on tea.", "Keep it short.")
