"""Amend a plan: what is done or under way stays word for word, the rest is written anew.

Pure; called by the ManagerAgent. Knows nothing of states: who calls says what is kept.
"""

from collections.abc import Collection, Iterable
from typing import Final

from nexus.domain.plan import Execution, Phase, Plan, PlanTask

MOST_KEY: Final = 64


def amend(plan: Plan, kept: Collection[str], rest: Plan, *, used: Collection[str] = ()) -> Plan:
    """Return `plan` with its tasks that are not in `kept` replaced by the tasks of `rest`.

    Kept tasks stay in their phases, in their order; phases left without a task go. The phases
    of the rest come after them. A task of the rest that has a kept task's key means that task
    and is left out. Keys that are taken, and keys in `used`, are made new, and dependencies
    inside the rest follow.

    Args:
        kept: keys of `plan`; with a task, what it depends on must be kept too.
        used: keys that no new task may have, such as those of tasks that failed.
    """
    stays = [_reduced(phase, kept) for phase in plan.phases]
    phases = [phase for phase in stays if phase.tasks]
    rest = rest if plan.execution is rest.execution else _unordered(rest)
    keys = _Keys({*kept, *used}, frozenset(kept))
    named = [[(task, keys.of(task.key)) for task in phase.tasks] for phase in rest.phases]
    taken = {phase.key for phase in phases}
    for phase, tasks in zip(rest.phases, named, strict=True):
        new = [_renamed(task, key, keys.names) for task, key in tasks if task.key not in kept]
        if new:
            key = fresh_key(phase.key, taken)
            taken.add(key)
            phases.append(phase.model_copy(update={"key": key, "tasks": new}))
    execution = plan.execution if plan.execution is rest.execution else Execution.PARALLEL
    return plan.model_copy(update={"execution": execution, "phases": phases})


def fresh_key(wish: str, taken: Collection[str]) -> str:
    """Return `wish`, or `wish-2` and so on, whichever is not taken."""
    key, number = wish, 2
    while key in taken:
        ending = f"-{number}"
        key, number = f"{wish[: MOST_KEY - len(ending)]}{ending}", number + 1
    return key


def keys_of(plan: Plan) -> list[str]:
    """List the keys of a plan's tasks in plan order."""
    return [task.key for _, _, task in plan.tasks()]


class _Keys:
    """Gives every task of the rest a key of its own; `names` says what became of each."""

    def __init__(self, taken: Iterable[str], kept: frozenset[str]) -> None:
        self._taken = set(taken)
        self._kept = kept
        self.names: dict[str, str] = {}

    def of(self, key: str) -> str:
        if key not in self._kept:
            self.names[key] = fresh_key(key, self._taken)
            self._taken.add(self.names[key])
        return self.names.get(key, key)


def _reduced(phase: Phase, kept: Collection[str]) -> Phase:
    tasks = [task for task in phase.tasks if task.key in kept]
    return phase.model_copy(update={"tasks": tasks})


def _renamed(task: PlanTask, key: str, names: dict[str, str]) -> PlanTask:
    depends_on = list(dict.fromkeys(names.get(one, one) for one in task.depends_on))
    return task.model_copy(update={"key": key, "depends_on": depends_on})


def _unordered(plan: Plan) -> Plan:
    """Write the order of a sequential plan's phases as dependencies."""
    return plan if plan.execution is Execution.PARALLEL else link_phases(plan)


def link_phases(plan: Plan) -> Plan:
    """Give the tasks of later sequential phases that name no dependency those of the phase before."""
    if plan.execution is Execution.PARALLEL:
        return plan
    phases = [plan.phases[0]]
    for before, phase in zip(plan.phases, plan.phases[1:], strict=False):
        keys = [task.key for task in before.tasks]
        tasks = [
            task if task.depends_on else task.model_copy(update={"depends_on": keys})
            for task in phase.tasks
        ]
        phases.append(phase.model_copy(update={"tasks": tasks}))
    return plan.model_copy(update={"phases": phases})
