"""What a project's events say its tables hold, and what its tables say of themselves."""

from collections.abc import Sequence
from typing import Any

from tests.orchestrator.bench import Ledger
from tests.support.history import History, Row, differences


def check_project(ledger: Ledger, project_id: str) -> None:
    """Assert everything that holds for a project after every commit."""

    def rows(sql: str) -> Sequence[Row]:
        found: list[dict[str, Any]] = [dict(row) for row in ledger.rows(sql, project_id)]
        return found

    history = History(
        rows("SELECT * FROM projects WHERE id = ?")[0],
        rows("SELECT * FROM tasks WHERE project_id = ? ORDER BY node"),
        rows("SELECT * FROM subtasks WHERE project_id = ?"),
        rows("SELECT * FROM events WHERE project_id = ? ORDER BY seq"),
        rows("SELECT * FROM nodes WHERE project_id = ? ORDER BY node"),
        rows("SELECT * FROM edges WHERE project_id = ?"),
        rows("SELECT * FROM phases WHERE project_id = ?"),
        rows("SELECT * FROM approvals WHERE project_id = ?"),
        rows("SELECT * FROM offshoots WHERE project_id = ?"),
        rows("SELECT * FROM reservations WHERE project_id = ?"),
        rows("SELECT * FROM parts WHERE project_id = ?"),
    )
    wrong = list(differences(history))
    assert not wrong, wrong
