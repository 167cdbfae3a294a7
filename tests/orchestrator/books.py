"""An auditor's own books of budgets: counted from the tables, not asked of the engine."""

import json

from hypothesis import strategies as st

from nexus.domain.budget import Budget, Limit, Sums
from nexus.domain.plan import Plan
from tests.orchestrator.bench import Ledger

Place = tuple[str, int]
WIDE = Plan.model_validate(
    {
        "phases": [
            {
                "key": "p",
                "title": "P",
                "tasks": [{"key": f"t{n}", "title": "T", "agent": "echo"} for n in range(5)],
            }
        ]
    }
)
"""Tasks side by side, whose calls are in each other's way."""

budgets = st.builds(
    lambda cost, tokens, calls, seconds: Budget(
        {
            limit: most
            for limit, most in (
                (Limit.COST, cost),
                (Limit.TOKENS, tokens),
                (Limit.CALLS, calls),
                (Limit.SECONDS, seconds),
            )
            if most
        }
        or {Limit.CALLS: 1}
    ),
    st.none() | st.integers(1, 60),
    st.none() | st.integers(1, 60),
    st.none() | st.integers(1, 4),
    st.none() | st.sampled_from([500_000_000]),
)


class Books:
    """Reads one database."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def live(self) -> dict[Place, Sums]:
        """What counts as reserved: for calls in flight, and for what was woken."""
        rows = self.ledger.rows(
            "SELECT r.* FROM reservations r JOIN subtasks s ON s.id = r.subtask_id "
            "WHERE r.granted = 1 AND ((s.claim = r.claim AND s.status = 'running') "
            "OR (s.claim + 1 = r.claim AND s.status = 'queued'))"
        )
        return {
            (row["subtask_id"], row["number"]): Sums(row["cost_pico_usd"], row["tokens"], 0, 1)
            for row in rows
        }

    def woken(self) -> set[str]:
        """Subtasks that have ever waited for a budget."""
        rows = self.ledger.rows(
            "SELECT subtask_id FROM events WHERE type = 'subtask.waiting' AND data LIKE '%budget%'"
        )
        return {row["subtask_id"] for row in rows}

    def is_full(self, project_id: str | None, but: Place | None = None) -> bool:
        """Whether what is spent and reserved, but for one call, leaves no room."""
        (row,) = self.ledger.rows("SELECT * FROM projects WHERE id = ?", project_id)
        budget = self.budget_of(project_id)
        if budget is None:
            return False
        runs = row["status"] in ("running", "planning")
        sums = Sums(
            row["cost_pico_usd"],
            row["input_tokens"] + row["output_tokens"],
            row["ran_us"] + (self.ledger.now - row["moved_at"] if runs else 0),
            row["requests"],
        )
        mine = self.subtasks(project_id)
        own = {but, (but[0], -1)} if but else set()
        for place, reserved in self.live().items():
            if place[0] in mine and place not in own:
                sums += reserved
        return bool(budget.reached(sums))

    def budget_of(self, project_id: str | None) -> Budget | None:
        (row,) = self.ledger.rows("SELECT budget FROM projects WHERE id = ?", project_id)
        return Budget.of(json.loads(row["budget"])) if row["budget"] else None

    def waiting(self, project_id: str) -> bool:
        """Whether anything of a project waits for its budget."""
        return bool(
            self.ledger.rows(
                "SELECT 1 FROM reservations r JOIN subtasks s ON s.id = r.subtask_id "
                "WHERE r.project_id = ? AND r.granted = 0 AND s.status = 'waiting'",
                project_id,
            )
        )

    def subtasks(self, project_id: str | None) -> set[str]:
        rows = self.ledger.rows("SELECT id FROM subtasks WHERE project_id = ?", project_id)
        return {row["id"] for row in rows}
