"""Budgets kept: calls are let through or held back, what waits goes on when there is room.

A subtask that is held back waits without a slot or a lease: for other calls to be recorded
while those might leave room, else for a person to raise the budget. The rule and its
invariant are in `transitions/reserving.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from nexus.domain.budget import Limit, words
from nexus.domain.seam import CallKind, Need
from nexus.domain.states import ProjectState, SubtaskKind
from nexus.errors import Conflict, Fenced, OverBudget
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.recording import Begin, Done, intent_row
from nexus.orchestrator.transitions.calls import begin_calls, still_held
from nexus.orchestrator.transitions.reserving import (
    STARTING,
    Ledger,
    Place,
    read_ledgers,
    reserve,
    settle_reservations,
    sums_of,
    tell_limits,
)
from nexus.orchestrator.transitions.subtasks import Held
from nexus.orchestrator.transitions.waiting import rest_project, suspend_subtask, wake_affordable
from nexus.orchestrator.turn import Subject, Turn, lock_projects, lock_projects_of

RAISE_IT: Final = "raise it with PATCH /projects/{id}, then POST /projects/{id}/resume"


def place_of(wish: Begin | Done) -> Place:
    """Name the call of a wish."""
    return wish.held.subtask_id, wish.intent.number


def keep_to_budgets(
    turn: Turn, holds: Mapping[Held, Row], done: Sequence[Done], begun: Sequence[Begin]
) -> Transaction[dict[Place, OverBudget]]:
    """Settle and make reservations of claims that hold; no statement where nothing has a budget.

    Returns:
        the calls that there is no room for: nothing was written for them.
    """
    budgeted = {held: row for held, row in holds.items() if row[6]}
    if not budgeted:
        return {}
    ended = [one for one in done if one.held in budgeted and one.intent.call.kind is CallKind.MODEL]
    yield from settle_reservations([place_of(one) for one in ended])
    ledgers = yield from read_ledgers(turn, {row[2] for row in budgeted.values()})
    refused: dict[Place, OverBudget] = {}
    for project_id, ledger in ledgers.items():
        mine = {held: row for held, row in budgeted.items() if row[2] == project_id}
        wanted = [one for one in begun if one.held in mine]
        refused |= yield from _grant(ledger, wanted, mine)
        calls: list[Begin | Done] = [*wanted, *(one for one in ended if one.held in mine)]
        unpriced = (one.intent.call.name for one in calls if _is_unpriced(one))
        yield from tell_limits(turn, ledger, next(unpriced, None))
        yield from wake_affordable(turn, ledger)
    return refused


def _grant(
    ledger: Ledger, wanted: Sequence[Begin], holds: Mapping[Held, Row]
) -> Transaction[dict[Place, OverBudget]]:
    """Let calls of one project through, in their order, while there is room."""
    refused: dict[Place, OverBudget] = {}
    granted: list[Begin] = []
    needs: list[tuple[Place, int, Need]] = []
    started: list[Place] = []
    for one in wanted:
        place, is_model = place_of(one), one.intent.call.kind is CallKind.MODEL
        full = _full_for(ledger, place, is_model)
        if full:
            refused[place] = _over(ledger, full)
            continue
        granted.append(one)
        if is_model:
            need = _need_of(one)
            started += ledger.take_start(place)
            ledger.reserve(place, sums_of(need))
            needs.append((place, one.held.claim, need))
    yield from begin_calls([(intent_row(one), holds[one.held][1]) for one in granted])
    yield from settle_reservations(started)
    yield from reserve(ledger, needs, granted=True)
    return refused


def _full_for(ledger: Ledger, place: Place, is_model: bool) -> list[Limit]:
    """List the limits in the way of a call; of all but model calls, only that of time."""
    if is_model:
        return ledger.full(place)
    return [one for one in ledger.used_up if one is Limit.SECONDS]


def _need_of(wish: Begin | Done) -> Need:
    asked = wish.intent.call.need
    return asked() if asked else Need()


def _is_unpriced(wish: Begin | Done) -> bool:
    if wish.intent.call.kind is not CallKind.MODEL:
        return False
    known = wish.recorded.usage if isinstance(wish, Done) else _need_of(wish)
    return known.cost_pico_usd is None


def _over(ledger: Ledger, limits: Sequence[Limit]) -> OverBudget:
    """Say which limit is in the way, and what of it is spent."""
    limit, budget = limits[0], ledger.budget
    most = words(limit, budget.limits[limit]) if budget else ""
    spent = words(limit, ledger.spent.of(limit))
    return OverBudget(
        f"the project's budget has no room for another call: {limit.value} is {most}, "
        f"{spent} are spent",
        hint=RAISE_IT,
    )


def hold_back(turn: Turn, held: Held, number: int, need: Need | None) -> Transaction[bool]:
    """Let a subtask wait for its project's budget; False if there is room for its call by now.

    Args:
        need: of the model call numbered so; None for another kind of call.

    Raises:
        Fenced: the claim is not held any more.
        OverBudget: its project is being planned, and what waits then is not woken by anybody.
    """
    yield from lock_projects_of([held.subtask_id])
    row = (yield from still_held([held])).get(held)
    if row is None:
        raise Fenced(f"the claim on {held.subtask_id} is not held any more")
    ledger = (yield from read_ledgers(turn, [row[2]]))[row[2]]
    place = (held.subtask_id, number)
    full = _full_for(ledger, place, need is not None)
    if not full:
        return False
    if ledger.status == ProjectState.PLANNING:
        raise _over(ledger, full)
    yield from reserve(ledger, [(place, held.claim, need or Need())], granted=False)
    yield from suspend_subtask(turn, held, f"budget {full[0].value}")
    return True


def hold_at_start(turn: Turn, worker_id: str, rows: Sequence[Row]) -> Transaction[list[Row]]:
    """Let just-claimed subtasks wait whose project's budget is used up; return the others.

    Planning does not wait: its first call finds that there is no room, and it fails of that.

    Args:
        rows: of `claim_subtasks`; the last column tells whether there is a budget.
    """
    ids = {row[4] for row in rows if row[-1] and row[7] != SubtaskKind.PLAN}
    if not ids:
        return list(rows)
    ledgers = yield from read_ledgers(turn, ids)
    used_up = {
        one: ledger.used_up
        for one, ledger in ledgers.items()
        if ledger.used_up and ledger.status != ProjectState.PLANNING
    }
    for row in rows:
        if row[4] in used_up:
            ledger, held = ledgers[row[4]], Held(row[0], row[2], worker_id)
            yield from tell_limits(turn, ledger)
            yield from reserve(ledger, [((row[0], STARTING), row[2], Need())], granted=False)
            yield from suspend_subtask(turn, held, f"budget {used_up[row[4]][0].value}")
    return [row for row in rows if row[4] not in used_up]


def go_on(turn: Turn, project: Subject) -> Transaction[int]:
    """Say where a locked project's budget stands, and let go on what there is room for."""
    ledger = (yield from read_ledgers(turn, [project.project_id]))[project.project_id]
    yield from tell_limits(turn, ledger)
    return (yield from wake_affordable(turn, ledger))


def resume_on_budget(turn: Turn, project: Subject) -> Transaction[None]:
    """Let a project go on that waits for its budget.

    Raises:
        Conflict: it does not wait for its budget, or that is still used up.
    """
    ledger = (yield from read_ledgers(turn, [project.project_id]))[project.project_id]
    if not ledger.waiting:
        raise Conflict(
            "the project waits for a person to answer, not to be resumed",
            code="illegal_transition",
            hint="see GET /approvals",
        )
    if ledger.used_up:
        over = _over(ledger, ledger.used_up)
        raise Conflict(over.message, code="budget_exhausted", hint=over.hint)
    yield from wake_affordable(turn, ledger)


def neglected() -> Transaction[list[str]]:
    """List running projects whose budget has room that nobody took, or news that nobody told.

    One whose budget was removed while it waited has room too, once it runs again.
    """
    rows = yield Query(
        "SELECT p.id FROM projects p WHERE p.status = 'running' "
        "AND (p.budget LIKE '%max_seconds%' OR EXISTS (SELECT 1 FROM reservations r "
        "WHERE r.project_id = p.id AND r.granted = 0))"
    )
    if not rows:
        return []
    ledgers = yield from read_ledgers(Turn(), [row[0] for row in rows])
    return [
        one
        for one, ledger in ledgers.items()
        if ledger.is_untold or (ledger.waiting and not ledger.full())
    ]


def look_after(turn: Turn, project_id: str) -> Transaction[None]:
    """Put a neglected project's budget in order."""
    yield from lock_projects([project_id])
    ledger = (yield from read_ledgers(turn, [project_id])).get(project_id)
    if ledger is None or ledger.status != ProjectState.RUNNING:
        return
    if not (yield from go_on(turn, ledger.project)):
        yield from rest_project(turn, ledger.project)
