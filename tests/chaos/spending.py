"""What a history says of spending: all sums agree, and no call began without a budget.

Part of the history checker. Times are the database's, so each is allowed a grain.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from nexus.domain.budget import Budget, Sums
from nexus.domain.money import to_pico
from tests.chaos.evidence import Evidence
from tests.support.history import History, Row

UNPRICED: Final = "unpriced_requests"
GRAIN_US: Final = 20_000
"""A transaction reads the clock more than once: what was recorded a moment before may count or not."""


SPENT: Final = ("input_tokens", "output_tokens", "cost_pico_usd")


def sums_that_differ(history: History) -> Iterator[str]:
    """Compare what the events and the subtasks' rows say was spent with the project's row."""
    called = [json.loads(e["data"]) for e in history.events if e["type"] == "model.called"]
    told = [_spent_by(one) for one in called]
    for name in SPENT:
        kept = history.project[name]
        for where, rows in (("events", told), ("subtasks", history.subtasks)):
            spent = sum(row[name] for row in rows)
            if spent != kept:
                yield f"{history.id}: {spent} {name} in its {where}, {kept} in its row"
    unpriced, kept = sum(one["cost_usd"] is None for one in called), history.project[UNPRICED]
    if unpriced != kept:
        yield f"{history.id}: {unpriced} calls without a price in its events, {kept} in its row"


def _spent_by(called: dict[str, Any]) -> Row:
    """Read an event's spending in the units of rows; an unknown price counts as none."""
    return {**called, "cost_pico_usd": to_pico(Decimal(called["cost_usd"] or 0))}


def calls_without_budget(evidence: Evidence) -> Iterator[str]:
    """List the model calls that began though what was recorded by then had used the budget up."""
    owners = {s["id"]: h.id for h in evidence.histories for s in h.subtasks}
    for history in evidence.histories:
        budgets = _budgets_of(history)
        if not budgets:
            continue
        calls = [
            record
            for record in evidence.journal
            if record["kind"] == "model" and owners.get(record["subtask_id"]) == history.id
        ]
        for call in calls:
            budget = _budget_at(budgets, call["begun_at"])
            spent = _spent_before(calls, call["begun_at"] - GRAIN_US)
            if budget and (limits := budget.reached(spent)):
                names = ", ".join(limits)
                yield f"{call['subtask_id']}:{call['number']} began when {names} was used up"


def _budgets_of(history: History) -> list[tuple[int, Budget | None]]:
    """List since when which budget held."""
    return [
        (event["at"], Budget.of(json.loads(event["data"])))
        for event in history.events
        if event["type"] == "budget.set"
    ]


def _budget_at(budgets: list[tuple[int, Budget | None]], at_us: int) -> Budget | None:
    """The budget of a moment; around a change, the one that was more generous is not known."""
    if any(abs(at_us - since) < GRAIN_US for since, _ in budgets[1:]):
        return None
    return next((budget for since, budget in reversed(budgets) if since <= at_us), None)


def _spent_before(calls: list[Row], at_us: int) -> Sums:
    return sum(
        (
            Sums(call["cost_pico_usd"] or 0, call["input_tokens"] + call["output_tokens"], 0, 1)
            for call in calls
            if call["recorded_at"] is not None and call["recorded_at"] < at_us
        ),
        Sums(),
    )
