"""Acceptance criteria for tasks whose author gave none: what can be checked of any such work.

Pure; called where the ManagerAgent's plans are completed. Criteria that are there stay as they are.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from nexus.domain.plan import Plan, PlanTask

OPEN: Final = "What could not be done, found or checked is named."
BY_AGENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "research": "Every claim names the source it comes from.",
        "memory": "Every answer quotes the passage it rests on, with its source.",
        "data": "Every figure names the file and the number of rows it rests on.",
        "code": "The program was run, and what it printed or wrote is shown.",
        "content": "It states nothing that the work handed to it does not say.",
        "qa": "Every criterion is judged by words or figures that are quoted.",
    }
)


def with_criteria(plan: Plan) -> Plan:
    """Return the plan with at least two criteria for each task that has none."""
    phases = [
        phase.model_copy(update={"tasks": [_completed(task) for task in phase.tasks]})
        for phase in plan.phases
    ]
    return plan.model_copy(update={"phases": phases})


def _completed(task: PlanTask) -> PlanTask:
    given = [criterion for criterion in task.acceptance if criterion.strip()]
    if not given:
        own = BY_AGENT.get(task.agent)
        given = [
            f"It delivers what its instructions ask for: {task.title}.",
            *([own] if own else []),
        ]
        given.append(OPEN)
    return task.model_copy(update={"acceptance": given})
