"""A plan's shape as a model is shown it: whole for able models, one flat list of tasks for weak ones.

Pure; called by the ManagerAgent. Flat and without references, which weak servers cannot follow.
"""

from collections.abc import Iterable
from typing import Any, Final

from nexus.domain.plan import Execution, OnRejection

SUBMIT: Final = "submit_plan"
ABOUT: Final = "Hand over the finished plan."
MOST_NAMED: Final = 100
"""Agents named in a schema; with more, servers that compile it would labour, and it names none."""
MOST_FLAT_TASKS: Final = 6

EXECUTION: Final = {"type": "string", "enum": [kind.value for kind in Execution]}
TEXTS: Final = {"type": "array", "items": {"type": "string"}}
KEY: Final = {"type": "string", "description": "short, unique: letters, digits, _ . -"}
LEDGER: Final[dict[str, Any]] = {
    "known": {**TEXTS, "description": "what finished work has shown, each with its task's key"},
    "failed": {**TEXTS, "description": "what was tried and failed, and the root cause"},
    "reason": {"type": "string", "description": "what is done differently now, in one sentence"},
}
"""What a model writes down before it amends a plan."""


def whole_schema(agents: Iterable[str], *, amends: bool = False) -> dict[str, Any]:
    """Return the schema of phases of tasks; with `amends`, the ledger comes first."""
    task = {
        "type": "object",
        "properties": {
            "key": KEY,
            "title": {"type": "string"},
            "agent": _agent(agents),
            "instructions": {"type": "string"},
            "depends_on": {**TEXTS, "description": "keys of the tasks whose output it needs"},
            "acceptance": {**TEXTS, "description": "criteria to check"},
            "review": {"type": "boolean", "description": "judged by its criteria before it counts"},
            "on_rejection": {
                "type": "string",
                "enum": [kind.value for kind in OnRejection],
                "description": "with review: what becomes of it after two revisions",
            },
        },
        "required": ["key", "title", "agent", "instructions"],
    }
    phase = {
        "type": "object",
        "properties": {
            "key": KEY,
            "title": {"type": "string"},
            "execution": {**EXECUTION, "description": "how its tasks relate"},
            "tasks": {"type": "array", "items": task},
        },
        "required": ["key", "title", "tasks"],
    }
    return {
        "type": "object",
        "properties": {
            **(LEDGER if amends else {}),
            "execution": {**EXECUTION, "description": "how the phases relate; normally sequential"},
            "phases": {"type": "array", "items": phase},
        },
        "required": [*(LEDGER if amends else ()), "phases"],
    }


def flat_schema(agents: Iterable[str], *, amends: bool = False) -> dict[str, Any]:
    """Return the schema of a short list of tasks, closed and bounded: servers make grammars of it."""
    names = {"type": "array", "items": {"type": "string"}, "maxItems": MOST_FLAT_TASKS}
    fields = {
        "key": {"type": "string"},
        "title": {"type": "string"},
        "agent": _agent(agents),
        "instructions": {"type": "string"},
        "depends_on": names,
        "acceptance": {**names, "maxItems": 3},
    }
    tasks = {
        "type": "array",
        "minItems": 1,
        "maxItems": MOST_FLAT_TASKS,
        "items": _closed(fields),
    }
    ledger = {"reason": {"type": "string"}} if amends else {}
    return _closed({**ledger, "tasks": tasks})


def _closed(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def _agent(agents: Iterable[str]) -> dict[str, Any]:
    names = sorted(agents)
    if len(names) > MOST_NAMED:
        return {"type": "string", "description": "one of the agents"}
    return {"type": "string", "enum": names}
