"""The offline manager's amendment: by the rules of `nexus.domain.mending`, from what the prompt says.

Called by `OfflineModel`; judges nothing and says so.
"""

import json
from collections.abc import Iterable
from typing import Any, Final

from pydantic import JsonValue, ValidationError

from nexus.domain.mending import mend
from nexus.domain.plan import Execution, Phase, Plan, PlanTask
from nexus.domain.work import TaskStanding
from nexus.llm.offline.planning import smallest_plan
from nexus.llm.offline.prompt import Prompt

REASON: Final = (
    "Made offline, by rule: what failed is tried once more and told why it failed, what failed "
    "twice is left out, the rest stays."
)


def amend_plan(prompt: Prompt) -> dict[str, JsonValue]:
    """Write the rest of a plan from the ledger in the prompt."""
    rows = list(_rows(prompt.ledger))
    try:
        plan = Plan(execution=Execution.PARALLEL, phases=_phases(rows))
    except ValidationError:  # a ledger that was cut in the middle of a line
        rest = smallest_plan(prompt)
    else:
        standing = {row["key"]: _standing(row) for row in rows}
        rest = mend(plan, standing, comment=prompt.comment or None, agents=prompt.agents)
    return {**rest.model_dump(mode="json"), "reason": REASON}


def _rows(ledger: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in ledger:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and row.get("key"):
            yield row


def _phases(rows: Iterable[dict[str, Any]]) -> list[Phase]:
    grouped: dict[str, list[PlanTask]] = {}
    for row in rows:
        fields = {name: row[name] for name in PlanTask.model_fields if name in row}
        grouped.setdefault(str(row.get("phase") or "work"), []).append(PlanTask(**fields))
    return [Phase(key=key, title=key.capitalize(), tasks=tasks) for key, tasks in grouped.items()]


def _standing(row: dict[str, Any]) -> TaskStanding:
    # What stays is all the same here: nothing of it is written anew.
    status = "succeeded" if row.get("stays") else str(row.get("status", "pending"))
    return TaskStanding(status, error=row.get("error"))
