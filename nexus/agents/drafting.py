"""From what a model wrote to a plan: its schema, its reading from text, its checks.

Pure; called by the ManagerAgent. Lenient in form (fences, wrappers, nulls, stray fields),
strict in substance: the result keeps every rule of a plan or the problems are listed.
"""

import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from pydantic import ValidationError

from nexus.domain.graph import compile_plan
from nexus.domain.plan import MAX_PROBLEMS, Execution, Phase, Plan, PlanTask
from nexus.errors import InvalidInput
from nexus.llm.cleaning import clean

SUBMIT: Final = "submit_plan"
FENCE: Final = re.compile(r"```[A-Za-z]*\s*\n(.*?)```", re.DOTALL)
MAX_BRACES: Final = 20
WRAPPERS: Final = (SUBMIT, "plan", "arguments", "parameters", "function")

EXECUTION: Final = {"type": "string", "enum": [kind.value for kind in Execution]}
TEXTS: Final = {"type": "array", "items": {"type": "string"}}
KEY: Final = {"type": "string", "description": "short, unique: letters, digits, _ . -"}

PLAN_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "execution": {**EXECUTION, "description": "how the phases relate; normally sequential"},
        "phases": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "key": KEY,
                    "title": {"type": "string"},
                    "execution": {**EXECUTION, "description": "how its tasks relate"},
                    "tasks": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "key": KEY,
                                "title": {"type": "string"},
                                "agent": {"type": "string", "description": "one of the agents"},
                                "instructions": {"type": "string"},
                                "depends_on": {
                                    **TEXTS,
                                    "description": "keys of the tasks whose output it needs",
                                },
                                "acceptance": {**TEXTS, "description": "criteria to check"},
                            },
                            "required": ["key", "title", "agent", "instructions"],
                        },
                    },
                },
                "required": ["key", "title", "tasks"],
            },
        },
    },
    "required": ["phases"],
}
"""A plan's schema as a model is shown it: flat, without references, which weak servers cannot follow."""


class NotAPlan(Exception):
    """What a model wrote is no plan that can run; the text tells it what to mend."""


def read_text(text: str) -> dict[str, Any]:
    """Find the plan in an answer given as text: plain JSON, fenced, or with prose around it.

    Raises:
        NotAPlan: there is no JSON object in the text.
    """
    for candidate in (text, *FENCE.findall(text), *_from_braces(text)):
        found = _object_in(candidate)
        if found is not None and "phases" in _unwrap(found):
            return found
    for candidate in (text, *FENCE.findall(text), *_from_braces(text)[:1]):
        found = _object_in(candidate)
        if found is not None:
            return found
    raise NotAPlan(f"{_what_is_wrong(text)} Call {SUBMIT}, or answer with JSON only.")


def _from_braces(text: str) -> list[str]:
    """List where JSON may begin inside prose."""
    return [text[brace.start() :] for brace in islice(re.finditer("{", text), MAX_BRACES)]


def _what_is_wrong(text: str) -> str:
    """Say why no JSON object can be read from a text."""
    start = text.find("{")
    if start < 0:
        return "No JSON was found in the answer."
    try:
        json.loads(text[start:])
    except json.JSONDecodeError as wrong:
        return f"The JSON in the answer cannot be read: {wrong}."
    except RecursionError:
        return "The JSON in the answer is nested too deeply."
    return "No JSON object was found in the answer."


def _object_in(text: str) -> dict[str, Any] | None:
    value = _value_in(text)
    return value if isinstance(value, dict) else None


def _value_in(text: str) -> Any:
    try:
        value, _ = json.JSONDecoder().raw_decode(text.strip())
    except (ValueError, RecursionError):
        return None
    return value


def build_plan(draft: Mapping[str, Any], agents: frozenset[str]) -> Plan:
    """Check a draft and complete it.

    A task of a later sequential phase that names no dependency gets all tasks of the phase
    before: outputs travel along dependencies alone.

    Raises:
        NotAPlan: listing every problem with its place.
    """
    try:
        plan = Plan.model_validate(_tidy(clean(dict(_unwrap(draft))), Plan))
        plan = link_phases(plan)
        compile_plan(plan, agents)
    except ValidationError as wrong:
        problems = [f"{_place(error['loc'])}: {error['msg']}" for error in wrong.errors()]
    except InvalidInput as wrong:
        problems = [f"{problem.place}: {problem.message}" for problem in wrong.problems]
    else:
        return plan
    listed = "\n".join(f"- {problem[:300]}" for problem in problems[:MAX_PROBLEMS])
    raise NotAPlan(f"The plan cannot run:\n{listed}\nSend the whole plan again, corrected.")


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


def _unwrap(draft: Mapping[str, Any]) -> Mapping[str, Any]:
    """Open what small models put around a plan: {"name": …, "arguments": {…}}, {"plan": {…}}."""
    while "phases" not in draft:
        inner = next((draft[name] for name in WRAPPERS if name in draft), None)
        if isinstance(inner, str):
            inner = _object_in(inner)
        if not isinstance(inner, Mapping):
            return draft
        draft = inner
    return draft


def _tidy(part: object, kind: type[Plan] | type[Phase] | type[PlanTask]) -> object:
    """Drop nulls and fields a plan does not have, at all three levels."""
    if not isinstance(part, Mapping):
        return part
    kept = {k: v for k, v in part.items() if k in kind.model_fields and v is not None}
    for field, inner in (("phases", Phase), ("tasks", PlanTask)):
        if isinstance(kept.get(field), str):  # a list written as text
            kept[field] = _value_in(kept[field])
        if isinstance(kept.get(field), list):
            kept[field] = [_tidy(item, inner) for item in kept[field]]
    return kept


def _place(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in location).lstrip(".")
