"""A project row as the API shows it, from a read session or from inside a transaction."""

import json
from collections.abc import Mapping
from typing import Any, Final

from nexus.domain.budget import Budget as Limits
from nexus.domain.budget import every_limit
from nexus.domain.clock import rfc3339
from nexus.domain.money import to_usd
from nexus.errors import NotFound
from nexus.models.projects import Project as ProjectRow
from nexus.models.writing import Query, Transaction
from nexus.schemas.budgets import Budget
from nexus.schemas.projects import Failure, Project, ProjectUsage, Usage

COLUMNS: Final = (
    ProjectRow.id,
    ProjectRow.name,
    ProjectRow.goal,
    ProjectRow.status,
    ProjectRow.plan_version,
    ProjectRow.budget,
    ProjectRow.approvals,
    ProjectRow.requests,
    ProjectRow.input_tokens,
    ProjectRow.output_tokens,
    ProjectRow.cost_pico_usd,
    ProjectRow.unpriced_requests,
    ProjectRow.error,
    ProjectRow.created_at,
    ProjectRow.started_at,
    ProjectRow.finished_at,
    ProjectRow.updated_at,
    ProjectRow.labels,
)
NAMES: Final = tuple(column.key for column in COLUMNS)
JSON_NAMES: Final = frozenset({"budget", "error", "labels"})


def show_project(row: Mapping[Any, Any]) -> Project:
    """Build the project the API shows from its columns."""
    return Project(
        id=row["id"],
        name=row["name"],
        goal=row["goal"],
        status=row["status"],
        plan_version=row["plan_version"] or None,
        budget=show_budget(row["budget"]),
        approvals=row["approvals"],
        usage=show_project_usage(row),
        error=show_failure(row["error"]),
        created_at=rfc3339(row["created_at"]) or "",
        started_at=rfc3339(row["started_at"]),
        finished_at=rfc3339(row["finished_at"]),
        updated_at=rfc3339(row["updated_at"]) or "",
        metadata=row["labels"] or {},
    )


def show_usage(row: Mapping[Any, Any]) -> Usage:
    """Build the usage object from the four counters of a row."""
    return Usage(
        requests=row["requests"],
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cost_usd=to_usd(row["cost_pico_usd"]),
    )


def show_project_usage(row: Mapping[Any, Any]) -> ProjectUsage:
    """Build the usage object of a project's row."""
    return ProjectUsage(**show_usage(row).model_dump(), unpriced_requests=row["unpriced_requests"])


def show_budget(document: Mapping[str, Any] | None) -> Budget | None:
    """Build the budget object from its JSON column."""
    return Budget.model_validate(every_limit(Limits.of(document))) if document else None


def show_failure(error: Mapping[str, Any] | None) -> Failure | None:
    """Build the error object from its JSON column."""
    if error is None:
        return None
    return Failure(
        code=error["code"],
        message=error["message"],
        task_id=error.get("task_id"),
        hint=error.get("hint"),
    )


def read_project(workspace: str, project_id: str) -> Transaction[Project]:
    """Show a project from inside a transaction, for an answer that is stored with it.

    Raises:
        NotFound: the workspace has no such project.
    """
    rows = yield Query(
        "SELECT id, name, goal, status, plan_version, budget, approvals, requests, input_tokens,"
        " output_tokens, cost_pico_usd, unpriced_requests, error, created_at, started_at, finished_at,"
        " updated_at, labels FROM projects WHERE workspace = $1 AND id = $2",
        (workspace, project_id),
    )
    if not rows:
        raise NotFound("no such project", hint="list them with GET /projects")
    row = dict(zip(NAMES, rows[0], strict=True))
    for name in JSON_NAMES:
        row[name] = None if row[name] is None else json.loads(row[name])
    return show_project(row)
