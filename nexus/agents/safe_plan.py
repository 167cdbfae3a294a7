"""The plan that is made when no model gives one: one to three tasks, from the goal as it stands.

Pure; called by the ManagerAgent as its last resort. Never guesses what the goal means: it is
handed on in its own words.
"""

from collections.abc import Collection
from typing import Final

from nexus.agents.criteria import with_criteria
from nexus.domain.plan import Execution, Phase, Plan, PlanTask
from nexus.domain.work import Brief
from nexus.llm.offline.planning import PROGRAM_WORDS

TABLES: Final = (".csv", ".tsv", ".xlsx", ".parquet")
MOST_GOAL: Final = 6_000
GATHER: Final = (
    "Collect what is needed to reach the goal below from the material at hand, with sources. "
    "Name what the material does not say.\n\nGoal: {goal}"
)
COMPUTE: Final = (
    "Compute the figures that the goal below asks for from the tables at hand: {tables}. "
    "Name the file and the number of rows behind every figure.\n\nGoal: {goal}"
)
MAKE: Final = (
    "Make what the goal below asks for, whole and in the form it asks for. Use the work handed "
    "to you where there is some, and name what is missing.\n\nGoal: {goal}"
)


def safe_plan(brief: Brief, agents: Collection[str]) -> Plan:
    """Plan a goal without understanding it: gather, compute where there are tables, then make."""
    goal = brief.goal if len(brief.goal) <= MOST_GOAL else f"{brief.goal[:MOST_GOAL]} […]"
    tables = [one.file for one in brief.documents if one.file.casefold().endswith(TABLES)]
    has_texts = len(tables) < len(brief.documents) or not brief.documents
    before: list[PlanTask] = []
    if "research" in agents and has_texts:
        before.append(_task("material", "Collect the material", "research", GATHER, goal))
    if "data" in agents and tables:
        text = COMPUTE.replace("{tables}", ", ".join(tables[:20]))
        before.append(_task("figures", "Compute the figures", "data", text, goal))
    last = _task("result", "Make what the goal asks for", _maker(brief.goal, agents), MAKE, goal)
    last = last.model_copy(update={"depends_on": [task.key for task in before]})
    phase = Phase(key="work", title="Work", execution=Execution.PARALLEL, tasks=[*before, last])
    return with_criteria(Plan(phases=[phase]))


def _task(key: str, title: str, agent: str, instructions: str, goal: str) -> PlanTask:
    return PlanTask(
        key=key, title=title, agent=agent, instructions=instructions.replace("{goal}", goal)
    )


def _maker(goal: str, agents: Collection[str]) -> str:
    """Choose who makes the result: the writer, or the programmer where a program is asked for."""
    if "code" in agents and PROGRAM_WORDS.search(goal):
        return "code"
    return "content" if "content" in agents else min(agents)
