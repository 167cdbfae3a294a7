"""The rest of a plan is written anew, what is finished or at work stays; pure."""

from collections.abc import Collection

from nexus.domain.plan import Plan


def amend(plan: Plan, kept: Collection[str], rest: Plan) -> Plan:
    """Join the tasks of `plan` that are kept, by key, with the rest that replaces the others.

    Kept tasks stay word for word in their phases, also where the rest has them differently.
    Phases of the rest with the key of one that has kept tasks add to it; the others follow.
    """
    wanted = {phase.key: phase for phase in rest.phases}
    phases = []
    for phase in plan.phases:
        lasting = [task for task in phase.tasks if task.key in kept]
        if lasting:
            more = wanted.pop(phase.key, None)
            new = [task for task in more.tasks if task.key not in kept] if more else []
            phases.append(phase.model_copy(update={"tasks": [*lasting, *new]}))
    for phase in wanted.values():
        new = [task for task in phase.tasks if task.key not in kept]
        if new:
            phases.append(phase.model_copy(update={"tasks": new}))
    return plan.model_copy(update={"phases": phases, "execution": rest.execution})
