"""A plan document turned into rows: a plan version, tasks by key, nodes with counters, edges."""

from collections.abc import Sequence
from typing import Final

from nexus.domain.graph import Graph
from nexus.domain.ids import new_id
from nexus.domain.plan import Plan, PlanTask
from nexus.domain.text import dumps
from nexus.models.writing import Many, Query, Transaction, Value
from nexus.orchestrator.turn import Subject

INSERT_TASK: Final = (
    "INSERT INTO tasks (id, workspace, project_id, key, title, agent, phase, node, instructions, "
    "acceptance, review, max_attempts, timeout_seconds, status, created_at) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'pending', NOW_US())"
)
INSERT_PHASE: Final = (
    "INSERT INTO phases (project_id, key, workspace, place, title, pending, queued, running, "
    "waiting, succeeded, failed, skipped, cancelled) "
    "VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0, 0, 0, 0, 0)"
)


def plant_plan(project: Subject, plan: Plan, graph: Graph, author: str) -> Transaction[int]:
    """Store a project's first plan as rows; return its version.

    A plan that replaces another (a later version) is not planted here.
    """
    rows = yield Query(
        "UPDATE projects SET plan_version = plan_version + 1, tasks_total = $2, tasks_open = $2, "
        "tasks_succeeded = 0 WHERE id = $1 RETURNING plan_version",
        (project.project_id, len(graph.keys)),
    )
    version: int = rows[0][0]
    yield Query(
        "INSERT INTO plan_versions (project_id, version, workspace, document, author, created_at) "
        "VALUES ($1, $2, $3, $4, $5, NOW_US())",
        (
            project.project_id,
            version,
            project.workspace,
            dumps(plan.model_dump(mode="json")),
            author,
        ),
    )
    tasks = [
        _task_row(project, plan.phases[at].key, node, task)
        for node, (at, _, task) in enumerate(plan.tasks())
    ]
    yield Many(INSERT_TASK, tasks)
    yield Many(INSERT_PHASE, _phase_rows(project, plan))
    yield from _plant_graph(project, graph, [str(row[0]) for row in tasks])
    return version


def _phase_rows(project: Subject, plan: Plan) -> list[tuple[Value, ...]]:
    return [
        (project.project_id, one.key, project.workspace, place, one.title, len(one.tasks))
        for place, one in enumerate(plan.phases)
    ]


def _task_row(project: Subject, phase: str, node: int, task: PlanTask) -> tuple[Value, ...]:
    return (
        new_id("tsk"),
        project.workspace,
        project.project_id,
        task.key,
        task.title,
        task.agent,
        phase,
        node,
        task.instructions,
        dumps(task.acceptance),
        task.review,
        task.max_attempts,
        task.timeout_seconds,
    )


def _plant_graph(project: Subject, graph: Graph, task_ids: Sequence[str]) -> Transaction[None]:
    blocked = graph.blocked_by()
    nodes: list[tuple[Value, ...]] = [
        (
            project.project_id,
            node,
            project.workspace,
            task_ids[node] if node < len(task_ids) else None,
            blocked[node],
        )
        for node in range(graph.size)
    ]
    yield Many(
        "INSERT INTO nodes (project_id, node, workspace, task_id, blocked_by) "
        "VALUES ($1, $2, $3, $4, $5)",
        nodes,
    )
    edges: list[tuple[Value, ...]] = [
        (project.project_id, edge.source, edge.target, project.workspace, int(edge.data))
        for edge in graph.edges
    ]
    if edges:
        yield Many(
            "INSERT INTO edges (project_id, source, target, workspace, data) "
            "VALUES ($1, $2, $3, $4, $5)",
            edges,
        )


def ready_tasks(project_id: str) -> Transaction[list[str]]:
    """List the tasks of a project that nothing holds back."""
    rows = yield Query(
        "SELECT task_id FROM nodes WHERE project_id = $1 AND blocked_by = 0 "
        "AND task_id IS NOT NULL ORDER BY node",
        (project_id,),
    )
    return [row[0] for row in rows]
