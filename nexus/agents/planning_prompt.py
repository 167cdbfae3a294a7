"""The manager's prompt: the goal and what is at hand, and where a plan stands that is to be amended.

Pure; called by the ManagerAgent. Comes in three lengths, for models that cannot take much;
what is left out of a shorter one is said in it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from nexus.agents.prompt import Quote, content, one_line, plan_prompt
from nexus.domain.mending import kept_of
from nexus.domain.plan import PlanTask
from nexus.domain.work import Brief, Standing, TaskStanding

MOST_GOAL: Final = (20_000, 6_000, 2_000)
MOST_DOCUMENTS: Final = (100, 20, 5)
MOST_PASSAGES: Final = (8, 2, 0)
MOST_ABOUT: Final = (2_000, 160, 50)
MOST_OUTPUT: Final = (1_200, 400, 120)
MOST_INSTRUCTIONS: Final = (2_000, 500, 160)
MOST_CORRECTION: Final = (8_000, 2_500, 500)
MOST_LEDGER: Final = (60_000, 8_000, 2_500)
BECAUSE: Final[Mapping[str, str]] = {
    "requested": "A person asked for it.",
    "task_failed": "A task has failed.",
    "task_rejected": "The work of a task was rejected.",
    "stalled": "The work goes on without getting further.",
}


def planning_prompt(
    brief: Brief,
    quotes: Sequence[Quote],
    agents: Mapping[str, str],
    tightness: int = 0,
    correction: str = "",
) -> str:
    """Write the prompt; `tightness` is 0 for all of it, 2 for the least."""
    shown = replace(
        brief,
        goal=_cut(brief.goal, MOST_GOAL[tightness]),
        documents=brief.documents[: MOST_DOCUMENTS[tightness]],
    )
    about = {name: _cut(text, MOST_ABOUT[tightness]) for name, text in agents.items()}
    limits = "\n".join(f"- {name}: {one_line(str(most))}" for name, most in brief.budget.items())
    further = {"note": _left_out(brief, quotes, tightness), "budget": limits}
    if brief.standing:
        further["plan"] = ledger(brief.standing, tightness)
        further["comment"] = content(_cut(brief.standing.comment or "", MOST_GOAL[tightness]))
    further["correction"] = content(_cut(correction, MOST_CORRECTION[tightness]))
    return plan_prompt(shown, quotes[: MOST_PASSAGES[tightness]], about, **further)


def _left_out(brief: Brief, quotes: Sequence[Quote], tightness: int) -> str:
    documents = len(brief.documents) - MOST_DOCUMENTS[tightness]
    passages = len(quotes) - MOST_PASSAGES[tightness]
    cut = [(documents, "documents"), (passages, "passages")]
    named = " and ".join(f"{number} {what}" for number, what in cut if number > 0)
    return f"Left out here for want of room: {named} more." if named else ""


def ledger(standing: Standing, tightness: int = 0) -> str:
    """Write where a plan stands: why it is amended, then a line of JSON for each task.

    Facts come from the rows of the run, so that no model has to remember them.
    """
    kept = kept_of(standing.tasks)
    lines = [BECAUSE.get(standing.because, one_line(standing.because))]
    room, left_out = MOST_LEDGER[tightness], 0
    for at, _, task in standing.plan.tasks():
        found = standing.tasks.get(task.key, TaskStanding("pending"))
        fields = _line(standing.plan.phases[at].key, task, found, tightness)
        if task.key in kept:
            fields["stays"] = True
        line = "- " + one_line(json.dumps(fields, ensure_ascii=False))
        if len(line) > room and task.key in kept:
            left_out += 1
            continue
        room -= len(line)
        lines.append(line)
    if left_out:
        lines.append(f"({left_out} finished tasks are left out here; they stay as they are)")
    return "\n".join(lines)


def _line(phase: str, task: PlanTask, found: TaskStanding, tightness: int) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "key": task.key,
        "phase": phase,
        "agent": task.agent,
        "status": found.status,
        "title": task.title,
        "depends_on": task.depends_on,
        "output": _cut(found.output or "", MOST_OUTPUT[tightness]),
    }
    if task.review:
        fields |= {"review": True, "on_rejection": task.on_rejection.value}
    if found.status in ("failed", "pending", "skipped", "cancelled"):
        fields["instructions"] = _cut(task.instructions, MOST_INSTRUCTIONS[tightness])
        fields["acceptance"] = task.acceptance if tightness == 0 else []
        fields["error"] = _cut(found.error or "", MOST_OUTPUT[tightness])
    return {name: value for name, value in fields.items() if value not in ("", [])}


def _cut(text: str, most: int) -> str:
    """Keep the beginning of a text and say how much there is."""
    if len(text) <= most:
        return text
    return f"{text[:most]} [cut: the first {most:,} of {len(text):,} characters]"
