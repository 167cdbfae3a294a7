"""A plan document turned into rows: a plan version, tasks by key, nodes with counters, edges."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from nexus.domain.graph import Graph
from nexus.domain.ids import new_id
from nexus.domain.plan import Plan, PlanTask
from nexus.domain.states import SHOWN
from nexus.domain.text import dumps
from nexus.models.writing import Many, Query, Transaction, Value
from nexus.orchestrator.turn import Subject

INSERT_TASK: Final = (
    "INSERT INTO tasks (id, workspace, project_id, key, title, agent, phase, node, instructions, "
    "acceptance, review, on_rejection, max_attempts, timeout_seconds, status, created_at) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'pending', NOW_US())"
)
UPDATE_TASK: Final = (
    "UPDATE tasks SET title = $2, agent = $3, phase = $4, node = $5, instructions = $6, "
    "acceptance = $7, review = $8, on_rejection = $9, max_attempts = $10, timeout_seconds = $11 "
    "WHERE id = $1"
)
INSERT_PHASE: Final = (
    "INSERT INTO phases (project_id, key, workspace, place, title, pending, queued, running, "
    "waiting, succeeded, failed, skipped, cancelled) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
)


def plant_plan(project: Subject, plan: Plan, graph: Graph, author: str) -> Transaction[int]:
    """Store a project's first plan as rows; return its version.

    A plan that replaces another is planted by `amending.py`.
    """
    rows = yield Query(
        "UPDATE projects SET plan_version = plan_version + 1, tasks_total = $2, tasks_open = $2, "
        "tasks_succeeded = 0 WHERE id = $1 RETURNING plan_version",
        (project.project_id, len(graph.keys)),
    )
    version: int = rows[0][0]
    yield from keep_version(project, plan, version, author)
    tasks = [
        _task_row(project, task, definition_of(task, plan.phases[at].key, node))
        for node, (at, _, task) in enumerate(plan.tasks())
    ]
    yield Many(INSERT_TASK, tasks)
    shown = {task.key: "pending" for _, _, task in plan.tasks()}
    yield from plant_phases(project, plan, shown)
    yield from plant_graph(project, graph, [str(row[0]) for row in tasks], graph.blocked_by())
    return version


def keep_version(project: Subject, plan: Plan, version: int, author: str) -> Transaction[None]:
    """Store a version of a project's plan; `author` is user or manager."""
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


def plant_phases(project: Subject, plan: Plan, shown: Mapping[str, str]) -> Transaction[None]:
    """Store the phases of a plan; `shown` says by key what each task shows."""
    rows: list[tuple[Value, ...]] = []
    for place, phase in enumerate(plan.phases):
        counts = Counter(shown[task.key] for task in phase.tasks)
        numbers = [counts[one] for one in SHOWN]
        head = (project.project_id, phase.key, project.workspace, place, phase.title)
        rows.append((*head, *numbers))
    yield Many(INSERT_PHASE, rows)


def insert_tasks(
    project: Subject, tasks: Sequence[tuple[PlanTask, tuple[Value, ...]]]
) -> Transaction[dict[str, str]]:
    """Store new tasks, each with its definition; return their ids by key."""
    rows = [_task_row(project, task, definition) for task, definition in tasks]
    if rows:
        yield Many(INSERT_TASK, rows)
    return {str(row[3]): str(row[0]) for row in rows}


def definition_of(task: PlanTask, phase: str, node: int) -> tuple[Value, ...]:
    """Write what a plan says of a task, as `INSERT_TASK` and `UPDATE_TASK` take it."""
    return (
        task.title,
        task.agent,
        phase,
        node,
        task.instructions,
        dumps(task.acceptance),
        task.review,
        task.on_rejection.value,
        task.max_attempts,
        task.timeout_seconds,
    )


def _task_row(project: Subject, task: PlanTask, definition: tuple[Value, ...]) -> tuple[Value, ...]:
    return (new_id("tsk"), project.workspace, project.project_id, task.key, *definition)


def plant_graph(
    project: Subject, graph: Graph, task_ids: Sequence[str], blocked: Sequence[int]
) -> Transaction[None]:
    """Store a graph: tasks by their ids, and by how many sources each node is held back."""
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
