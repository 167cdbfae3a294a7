"""The plan document: phases of tasks, and every rule a plan must keep.

Sent by users, written by the ManagerAgent, stored as a version of the project's plan.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from nexus.errors import FieldProblem, InvalidInput

MAX_TASKS: Final = 10_000
MAX_PROBLEMS: Final = 20
"""A plan may be wrong in ten thousand places; the first twenty are enough to mend it."""

Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(max_length=20_000)]


class Execution(StrEnum):
    """How neighbours in a phase, or the phases of a plan, relate."""

    SEQUENTIAL = "sequential"
    PARALLEL = "parallel"


class OnRejection(StrEnum):
    """What becomes of an output that was still rejected after its revisions."""

    FAIL = "fail"  # the task fails
    DELIVER = "deliver"  # it is handed over, with the findings


class PlanPart(BaseModel):
    """Strict base: an unknown field is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=False)


class PlanTask(PlanPart):
    """One deliverable of the plan."""

    key: Key
    title: Title
    agent: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    instructions: Text = ""
    depends_on: list[Key] = Field(default_factory=list, max_length=MAX_TASKS)
    acceptance: list[Annotated[str, StringConstraints(max_length=2_000)]] = Field(
        default_factory=list, max_length=50
    )
    review: Annotated[bool, Field(strict=True)] = False
    on_rejection: OnRejection = OnRejection.FAIL
    max_attempts: Annotated[int, Field(ge=1, le=20, strict=True)] = 3
    timeout_seconds: Annotated[float, Field(gt=0, le=86_400, strict=True)] = 900


class Phase(PlanPart):
    """A group of tasks with an execution type."""

    key: Key
    title: Title
    execution: Execution = Execution.PARALLEL
    tasks: list[PlanTask] = Field(min_length=1, max_length=MAX_TASKS)


class Plan(PlanPart):
    """A whole plan; `execution` says how its phases relate."""

    execution: Execution = Execution.SEQUENTIAL
    phases: list[Phase] = Field(min_length=1, max_length=MAX_TASKS)

    def tasks(self) -> Iterator[tuple[int, int, PlanTask]]:
        """Yield (phase index, index in the phase, task) in plan order."""
        for at, phase in enumerate(self.phases):
            for position, task in enumerate(phase.tasks):
                yield at, position, task


def place_of(phase: int, task: int, field: str) -> str:
    """Name a task's field the way error lists do: `phases[0].tasks[2].agent`."""
    return f"phases[{phase}].tasks[{task}].{field}"


def find_problems(plan: Plan, agents: frozenset[str]) -> list[FieldProblem]:
    """List what is wrong with a well-formed plan: its size, keys, agents and dependencies.

    Cycles are found by `nexus.domain.graph.compile_plan`, which needs the edges.
    """
    rows = list(plan.tasks())
    if len(rows) > MAX_TASKS:
        return [FieldProblem("phases", f"{len(rows)} tasks; a plan holds at most {MAX_TASKS:,}")]
    problems: list[FieldProblem] = []
    seen_phases: set[str] = set()
    for at, phase in enumerate(plan.phases):
        if phase.key in seen_phases:
            problems.append(FieldProblem(f"phases[{at}].key", f"duplicate phase key {phase.key!r}"))
        seen_phases.add(phase.key)
    keys = {task.key for _, _, task in rows}
    seen: set[str] = set()
    for at, position, task in rows:
        if task.key in seen:
            problems.append(
                FieldProblem(place_of(at, position, "key"), f"duplicate task key {task.key!r}")
            )
        seen.add(task.key)
        problems += _task_problems(task, (at, position), keys, agents)
    return problems[:MAX_PROBLEMS]


def _task_problems(
    task: PlanTask, place: tuple[int, int], keys: set[str], agents: frozenset[str]
) -> Iterator[FieldProblem]:
    at, position = place
    if task.agent not in agents:
        known = ", ".join(sorted(agents)[:40])
        yield FieldProblem(place_of(at, position, "agent"), f"unknown agent; known: {known}")
    if task.on_rejection is OnRejection.DELIVER and not task.review:
        yield FieldProblem(
            place_of(at, position, "on_rejection"), "only a task with `review` can be rejected"
        )
    for number, key in enumerate(task.depends_on):
        if key not in keys:
            yield FieldProblem(
                place_of(at, position, f"depends_on[{number}]"), f"unknown task key {key!r}"
            )


def refuse(problems: list[FieldProblem]) -> None:
    """Raise InvalidInput with every problem, or return when there is none."""
    if problems:
        first = problems[0]
        raise InvalidInput(
            f"the plan cannot run: {first.place}: {first.message}",
            code="invalid_plan",
            problems=tuple(problems),
        )
