"""What the manager hands over: a plan, and what has to be told about how it came about.

Written by the ManagerAgent as its output, read by the worker when the subtask settles.
"""

import json
from dataclasses import dataclass
from typing import Final

from nexus.domain.plan import Plan
from nexus.domain.text import clean

MOST_WORDS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan; `safe` says why it is the safe one, `reason` what an amendment does differently."""

    plan: Plan
    safe: str | None = None
    reason: str | None = None


def write_planned(planned: Planned) -> str:
    """Write it as an agent's output: the plan alone as JSON where there is nothing to tell."""
    if planned.safe is None and planned.reason is None:
        return planned.plan.model_dump_json()
    document = planned.plan.model_dump(mode="json")
    return json.dumps({"plan": document, "safe": planned.safe, "reason": planned.reason})


def read_planned(output: str) -> Planned:
    """Read an output that `write_planned` wrote, or a plan's JSON.

    Raises:
        ValueError: it is neither.
    """
    document = json.loads(output)
    if "plan" not in document:
        return Planned(Plan.model_validate(document))
    plan = Plan.model_validate(document["plan"])
    return Planned(plan, _told(document.get("safe")), _told(document.get("reason")))


def _told(words: object) -> str | None:
    """Write words as an event can hold them."""
    return clean(words)[:MOST_WORDS] if isinstance(words, str) else None
