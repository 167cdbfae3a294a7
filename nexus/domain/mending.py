"""The rest of a plan by rule, where no model writes one: what failed is tried once more, told why.

Pure; the last resort of the ManagerAgent and what the offline model answers. Invents no new
work: it keeps what is pending, rewords what failed, and drops what failed twice, saying so.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from nexus.domain.amending import fresh_key, keys_of
from nexus.domain.plan import Phase, Plan, PlanTask
from nexus.domain.work import TaskStanding

REPLACED: Final = frozenset({"pending", "failed", "skipped", "cancelled"})
"""States of tasks that an amendment may write anew; all others stay."""
AGAIN: Final = "An earlier attempt at this failed"
MOST_TEXT: Final = 20_000
MOST_ERROR: Final = 500
OPEN: Final = "What could not be done is named."


def kept_of(tasks: Mapping[str, TaskStanding]) -> frozenset[str]:
    """List the keys of the tasks that stay as they are."""
    return frozenset(key for key, one in tasks.items() if one.status not in REPLACED)


def failed_of(tasks: Mapping[str, TaskStanding]) -> frozenset[str]:
    """List the keys of the tasks that failed."""
    return frozenset(key for key, one in tasks.items() if one.status == "failed")


def mend(
    plan: Plan,
    tasks: Mapping[str, TaskStanding],
    *,
    comment: str | None = None,
    agents: Collection[str] = (),
) -> Plan:
    """Return the rest of a plan: the tasks that are to follow what is kept.

    Args:
        comment: what a person asks for; it goes to the tasks at the end.
        agents: who may be given the closing task, where nothing else remains.
    """
    return _Mending(plan, tasks).rest(comment, agents)


@dataclass(slots=True)
class _Mending:
    plan: Plan
    tasks: Mapping[str, TaskStanding]
    _names: dict[str, str] = field(default_factory=dict)  # failed keys to those of their second try
    _gone: dict[str, str] = field(default_factory=dict)  # dropped keys to their errors

    def rest(self, comment: str | None, agents: Collection[str]) -> Plan:
        kept, taken = kept_of(self.tasks), set(keys_of(self.plan))
        for _, _, task in self.plan.tasks():
            if task.key in failed_of(self.tasks):
                self._sort(task, taken)
        phases: list[Phase] = []
        for phase in self.plan.phases:
            open_tasks = [t for t in phase.tasks if t.key not in kept and t.key not in self._gone]
            if open_tasks:
                again = [self._again(task) for task in open_tasks]
                phases.append(phase.model_copy(update={"tasks": again}))
        if not phases:
            phases = [self._closing(kept, taken, agents, comment)]
        elif comment:
            phases = _asked(phases, comment)
        return self.plan.model_copy(update={"phases": phases})

    def _sort(self, task: PlanTask, taken: set[str]) -> None:
        if AGAIN in task.instructions:
            self._gone[task.key] = self._error(task.key)
            return
        self._names[task.key] = fresh_key(task.key, taken)
        taken.add(self._names[task.key])

    def _again(self, task: PlanTask) -> PlanTask:
        notes = []
        if task.key in self._names:
            notes.append(
                f"{AGAIN}: {self._error(task.key)} Do it in another way, or hand over the part "
                "that can be done and name what is missing."
            )
        notes += [
            f"The task {key} could not be done: {self._gone[key]} Go on without it and say what "
            "is missing because of it."
            for key in task.depends_on
            if key in self._gone
        ]
        needed = [self._names.get(key, key) for key in task.depends_on if key not in self._gone]
        return task.model_copy(
            update={
                "key": self._names.get(task.key, task.key),
                "depends_on": needed,
                "instructions": _with_notes(task.instructions or task.title, notes),
            }
        )

    def _closing(
        self, kept: Collection[str], taken: set[str], agents: Collection[str], comment: str | None
    ) -> Phase:
        """Make the task that ends a plan of which nothing else remains."""
        feeding = {key for _, _, task in self.plan.tasks() for key in task.depends_on}
        ends = [key for key in keys_of(self.plan) if key in kept and key not in feeding]
        last = [task for _, _, task in self.plan.tasks()][-1]
        ask = f"Rework the result as asked: {comment}" if comment else "Write the result so far."
        missing = [f"{key} could not be done: {error}" for key, error in self._gone.items()]
        task = PlanTask(
            key=fresh_key("closing", taken),
            title="Rework the result" if comment else "What was reached",
            agent="content" if "content" in agents else last.agent,
            instructions=_with_notes(
                ask, ["Use only the work handed to you and name what is missing.", *missing]
            ),
            depends_on=ends,
            acceptance=["It rests on the work handed over and on nothing else.", OPEN],
        )
        return Phase(key="closing", title="Closing", tasks=[task])

    def _error(self, key: str) -> str:
        words = " ".join((self.tasks[key].error or "no reason is known").split())[:MOST_ERROR]
        return words if words.endswith((".", "!", "?", "…")) else f"{words}."


def _asked(phases: list[Phase], comment: str) -> list[Phase]:
    """Tell the tasks that nothing depends on what a person asks for."""
    feeding = {key for phase in phases for task in phase.tasks for key in task.depends_on}
    return [
        phase.model_copy(
            update={
                "tasks": [
                    task if task.key in feeding else _told(task, f"Asked for since: {comment}")
                    for task in phase.tasks
                ]
            }
        )
        for phase in phases
    ]


def _told(task: PlanTask, note: str) -> PlanTask:
    text = _with_notes(task.instructions or task.title, [note])
    return task.model_copy(update={"instructions": text})


def _with_notes(instructions: str, notes: list[str]) -> str:
    """Add notes below instructions, which give way where both are too long."""
    added = "".join(f"\n\n{note}" for note in notes)[: MOST_TEXT // 2]
    return f"{instructions[: MOST_TEXT - len(added)]}{added}"
