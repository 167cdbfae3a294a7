"""The ledger of a project's budget: what is spent, what calls in flight have reserved, what waits.

Invariant: a call begins only while spent + reserved is below every limit of its budget, both
read under the lock of the project's row, in the transaction that commits its intent and its
reservation. Spent is what was recorded (the project's counters). Reserved is the sum of the
reservations whose claim still holds, so that losing a claim, however it comes about, frees
them with it: there is no counter that could drift, and nobody who would have to set it right.
What is woken because there is room for it takes its reservation along, under its next claim.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from nexus.domain.budget import Budget, Limit, Sums, shown
from nexus.domain.seam import Json, Need
from nexus.domain.text import dumps
from nexus.models.writing import Many, Query, Row, Transaction
from nexus.orchestrator.turn import NOTHING, Subject, Turn

STARTING: Final = -1
"""The number of what a subtask waits for that was about to start."""

LEDGERS: Final = (
    "SELECT p.id, p.workspace, p.status, p.budget, p.budget_told, p.requests, "
    "p.input_tokens + p.output_tokens, p.cost_pico_usd, "
    "p.ran_us + CASE WHEN p.status IN ('running', 'planning') THEN NOW_US() - p.moved_at "
    "ELSE 0 END, "
    "(SELECT count(*) FROM reservations r JOIN subtasks w ON w.id = r.subtask_id "
    "WHERE r.project_id = p.id AND r.granted = 0 AND w.status = 'waiting') "
    "FROM projects p WHERE p.id IN EACH($1) ORDER BY p.id"
)
RESERVED: Final = (
    "SELECT r.project_id, r.subtask_id, r.number, r.tokens, r.cost_pico_usd FROM reservations r "
    "JOIN subtasks s ON s.id = r.subtask_id WHERE r.project_id IN EACH($1) AND r.granted = 1 "
    "AND ((s.claim = r.claim AND s.status = 'running') "
    "OR (s.claim + 1 = r.claim AND s.status = 'queued'))"
)
RESERVE: Final = (
    "INSERT INTO reservations (subtask_id, number, workspace, project_id, claim, granted, tokens, "
    "cost_pico_usd, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NOW_US()) "
    "ON CONFLICT (subtask_id, number) DO UPDATE SET claim = EXCLUDED.claim, "
    "granted = EXCLUDED.granted, tokens = EXCLUDED.tokens, "
    "cost_pico_usd = EXCLUDED.cost_pico_usd, created_at = EXCLUDED.created_at"
)
PROMISE: Final = (
    "UPDATE reservations SET granted = 1, claim = 1 + (SELECT s.claim FROM subtasks s "
    "WHERE s.id = subtask_id) WHERE subtask_id = $1 AND number = $2"
)
SETTLE: Final = "DELETE FROM reservations WHERE subtask_id = $1 AND number = $2"

WARNING: Final = "budget.warning"
EXHAUSTED: Final = "budget.exhausted"
NO_SUMS: Final = Sums()

Place = tuple[str, int]
"""A subtask's id and the number of one of its calls."""


@dataclass(slots=True)
class Ledger:
    """One project's sums under its lock.

    `reserved` is by call, `committed` the sum of it and of what is spent; `waiting` counts
    the subtasks that wait for room.
    """

    project: Subject
    status: str
    budget: Budget | None
    told: set[str]
    spent: Sums
    waiting: int
    reserved: dict[Place, Sums] = field(default_factory=dict)
    committed: Sums = NO_SUMS

    def full(self, but: Place | None = None) -> list[Limit]:
        """List the limits that leave no room for a call; what is reserved for `but` is not counted."""
        if but is None:
            return self.reached(self.committed)
        own = self.reserved.get(but, NO_SUMS) + self.reserved.get((but[0], STARTING), NO_SUMS)
        return self.reached(self.committed - own)

    def reached(self, sums: Sums) -> list[Limit]:
        """List the limits at which these sums have arrived."""
        return self.budget.reached(sums) if self.budget else []

    @property
    def used_up(self) -> list[Limit]:
        """List the limits that what is spent alone has reached."""
        return self.reached(self.spent)

    @property
    def is_untold(self) -> bool:
        """Tell whether there is something to say of it that was not said."""
        if self.budget is None:
            return False
        near = {f"{WARNING} {one.value}" for one in self.budget.nearly_reached(self.spent)}
        over = {f"{EXHAUSTED} {one.value}" for one in self.used_up}
        return not (near | over) <= self.told

    def reserve(self, place: Place, sums: Sums) -> None:
        """Count a call in, once."""
        self.committed += sums - self.reserved.get(place, NO_SUMS)
        self.reserved[place] = sums

    def take_start(self, place: Place) -> list[Place]:
        """Count out what was reserved for a subtask to start, now that it makes a call."""
        start = (place[0], STARTING)
        if start not in self.reserved:
            return []
        self.committed -= self.reserved.pop(start)
        return [start]


def sums_of(need: Need) -> Sums:
    """Write what one call needs as sums; an unknown price counts as nothing, and is told."""
    return Sums(need.cost_pico_usd or 0, need.tokens, 0, 1)


def read_ledgers(turn: Turn, project_ids: Collection[str]) -> Transaction[dict[str, Ledger]]:
    """Read the ledgers of locked projects, with what this transaction adds to their counters."""
    ids = sorted(project_ids)
    rows = yield Query(LEDGERS, (ids,))
    ledgers = {row[0]: _ledger(turn, row) for row in rows}
    for project_id, subtask_id, number, tokens, cost in (yield Query(RESERVED, (ids,))):
        ledgers[project_id].reserve((subtask_id, number), Sums(cost, tokens, 0, 1))
    return ledgers


def _ledger(turn: Turn, row: Row) -> Ledger:
    project_id, workspace, status, budget, told, calls, tokens, cost, us, waiting = row
    new = turn.tallies.get(project_id, NOTHING)
    spent = Sums(
        cost + new.cost_pico_usd,
        tokens + new.input_tokens + new.output_tokens,
        us,
        calls + new.requests,
    )
    return Ledger(
        Subject(project_id, workspace),
        status,
        Budget.of(json.loads(budget)) if budget else None,
        set(json.loads(told)) if told else set(),
        spent,
        waiting,
        committed=spent,
    )


def reserve(
    ledger: Ledger, needs: Sequence[tuple[Place, int, Need]], *, granted: bool
) -> Transaction[None]:
    """Write what calls (place, claim, need) have reserved, or what waits for room."""
    project = ledger.project
    rows = [
        (
            *place,
            project.workspace,
            project.project_id,
            claim,
            int(granted),
            need.tokens,
            need.cost_pico_usd or 0,
        )
        for place, claim, need in needs
    ]
    if rows:
        yield Many(RESERVE, rows)


def settle_reservations(places: Sequence[Place]) -> Transaction[None]:
    """Give back what calls had reserved that are recorded now."""
    if places:
        yield Many(SETTLE, list(places))


def promise(ledger: Ledger, place: Place, need: Need) -> Transaction[None]:
    """Reserve for a subtask that is woken what it waited for, under the claim it gets next."""
    ledger.reserve(place, sums_of(need))
    yield Query(PROMISE, place)


def forget_reservations(project_id: str) -> Transaction[None]:
    """Drop every reservation of a project, granted or waiting."""
    yield Query("DELETE FROM reservations WHERE project_id = $1", (project_id,))


def tell_limits(turn: Turn, ledger: Ledger, unpriced: str | None = None) -> Transaction[None]:
    """Say once of each limit that it is nearly used up, and that it is; or cannot be kept to.

    Args:
        unpriced: a model whose price is unknown.
    """
    budget, before = ledger.budget, set(ledger.told)
    if budget is None:
        return
    for limit in budget.nearly_reached(ledger.spent):
        _tell(turn, ledger, WARNING, limit)
    for limit in ledger.used_up:
        _tell(turn, ledger, EXHAUSTED, limit)
    key = f"budget.unpriced {Limit.COST.value}"
    if unpriced is not None and Limit.COST in budget.limits and key not in ledger.told:
        ledger.told.add(key)
        turn.tell(ledger.project, "budget.unpriced", limit=Limit.COST.value, model=unpriced)
    if ledger.told != before:
        told: list[Json] = list[Json](sorted(ledger.told))
        yield Query(
            "UPDATE projects SET budget_told = $2 WHERE id = $1",
            (ledger.project.project_id, dumps(told)),
        )


def _tell(turn: Turn, ledger: Ledger, event: str, limit: Limit) -> None:
    key = f"{event} {limit.value}"
    if ledger.budget is None or key in ledger.told:
        return
    ledger.told.add(key)
    turn.tell(
        ledger.project,
        event,
        limit=limit.value,
        spent=shown(limit, ledger.spent.of(limit)),
        allowed=shown(limit, ledger.budget.limits[limit]),
    )


def waiting_needs(project_id: str) -> Transaction[list[tuple[str, int, Need]]]:
    """List what waits for room in a project, the longest first: subtask, number, need."""
    rows = yield Query(
        "SELECT r.subtask_id, r.number, r.tokens, r.cost_pico_usd FROM reservations r "
        "JOIN subtasks w ON w.id = r.subtask_id WHERE r.project_id = $1 AND r.granted = 0 "
        "AND w.status = 'waiting' ORDER BY r.created_at, r.subtask_id",
        (project_id,),
    )
    return [(row[0], row[1], Need(row[2], row[3])) for row in rows]
