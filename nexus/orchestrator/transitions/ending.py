"""Work that ended well: subtasks and tasks succeed and counters go down, for a whole group at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from nexus.models.writing import Fused, Query, Row, Transaction
from nexus.orchestrator.transitions.subtasks import Held

FINISH_SUBTASKS: Final = (
    "UPDATE subtasks SET status = 'succeeded', output = j.result, error = NULL, "
    "finished_at = NOW_US(), owner = NULL "
    "FROM EACH OF $1 (subtask TEXT, number BIGINT, result TEXT) AS j "
    "WHERE subtasks.id = j.subtask AND claim = j.number AND COALESCE(owner, '') = $2 "
    "AND status = 'running' "
    "RETURNING id, project_id, workspace, task_id, attempt, kind, document_id, claim"
)
FINISH_TASKS: Final = (
    "UPDATE tasks SET status = 'succeeded', error = NULL, finished_at = NOW_US() "
    "WHERE id IN EACH($1) AND status = 'running' RETURNING id, project_id, node, key, phase"
)
COUNT_DOWN: Final = (
    "UPDATE nodes SET blocked_by = blocked_by - over.n FROM "
    "(SELECT e.project_id, e.target, count(*) AS n "
    "FROM EACH OF $1 (project TEXT, node BIGINT) AS j "
    "CROSS JOIN edges e WHERE e.project_id = j.project AND e.source = j.node "
    "GROUP BY e.project_id, e.target) AS over "
    "WHERE nodes.project_id = over.project_id AND nodes.node = over.target "
    "RETURNING nodes.project_id, nodes.node, blocked_by, task_id"
)
"""CROSS JOIN fixes SQLite's order: from the few that ended to their edges."""

READY_COLUMNS: Final = (
    "t.id, t.project_id, t.workspace, t.agent, t.max_attempts, t.timeout_seconds, "
    "t.earlier_subtask_id, t.key, p.status, "
    "(SELECT lease_until FROM workers WHERE id = $2) > NOW_US() AND p.budget IS NULL, t.phase"
)
READY: Final = " ".join(
    (
        "SELECT",
        READY_COLUMNS,
        "FROM tasks t JOIN projects p ON p.id = t.project_id",
        "WHERE t.id IN EACH($1) AND t.status = 'pending' ORDER BY t.project_id, t.node",
    )
)
BRIEF_COLUMNS: Final = (
    "t.id, t.key, t.title, t.agent, t.instructions, t.acceptance, "
    "CAST((SELECT JSON_LIST(JSON_ROW(e.source, "
    "(SELECT s.key FROM tasks s WHERE s.id = (SELECT n.task_id FROM nodes n "
    "WHERE n.project_id = e.project_id AND n.node = e.source)), "
    "(SELECT s.subtask_id FROM tasks s WHERE s.id = (SELECT n.task_id FROM nodes n "
    "WHERE n.project_id = e.project_id AND n.node = e.source)))) "
    "FROM edges e WHERE e.project_id = t.project_id AND e.target = t.node AND e.data = 1) AS TEXT), "
    "t.review"
)
"""By primary keys from the edge to its one source: no plan can go over the whole project."""
BRIEFS: Final = " ".join(("SELECT", BRIEF_COLUMNS, "FROM tasks t WHERE t.id IN EACH($1)"))

FUSED: Final = " ".join(
    (
        "WITH subtask AS (",
        FINISH_SUBTASKS,
        "), task AS (UPDATE tasks SET status = 'succeeded', error = NULL, finished_at = NOW_US()",
        "FROM subtask WHERE tasks.id = subtask.task_id AND tasks.status = 'running'",
        "RETURNING tasks.id, tasks.project_id, tasks.node, tasks.key, tasks.phase),",
        "over AS (SELECT e.project_id, e.target, count(*) AS n FROM task JOIN edges e",
        "ON e.project_id = task.project_id AND e.source = task.node",
        "GROUP BY e.project_id, e.target),",
        "node AS (UPDATE nodes SET blocked_by = blocked_by - over.n FROM over",
        "WHERE nodes.project_id = over.project_id AND nodes.node = over.target",
        "RETURNING nodes.project_id, nodes.node, nodes.blocked_by, nodes.task_id),",
        "ready AS (SELECT t.*, row_number() OVER (ORDER BY t.project_id, t.node) AS place",
        "FROM node JOIN tasks t ON t.id = node.task_id",
        "WHERE node.blocked_by = 0 AND t.status = 'pending')",
        "SELECT (SELECT json_agg(json_build_array(id, project_id, workspace, task_id, attempt,",
        "kind, document_id, claim)) FROM subtask),",
        "(SELECT json_agg(json_build_array(id, project_id, node, key, phase)) FROM task),",
        "(SELECT json_agg(json_build_array(project_id, node)) FROM node",
        "WHERE blocked_by = 0 AND task_id IS NULL),",
        "(SELECT json_agg(json_build_array(",
        READY_COLUMNS,
        ") ORDER BY t.place) FROM ready t JOIN projects p ON p.id = t.project_id),",
        "(SELECT json_agg(json_build_array(",
        BRIEF_COLUMNS,
        ")) FROM ready t WHERE t.place <= $3)",
    )
)


@dataclass(frozen=True, slots=True)
class Ended:
    """Rows of what moved, and what is ready because of it (rows of READY, of BRIEFS)."""

    subtasks: list[Row]
    tasks: list[Row]
    ready: list[Row]
    briefs: list[Row]


def end_work(
    outputs: Sequence[tuple[Held, str]], owner: str, most_briefs: int
) -> Transaction[Ended]:
    """Let `work` subtasks of one worker and their tasks succeed, and count down what they held back."""
    claims = [(held.subtask_id, held.claim, output) for held, output in outputs]
    subtasks, tasks, barriers, ready, briefs = yield Fused(
        FUSED, (claims, owner, most_briefs), partial(_end_in_steps, claims, owner, most_briefs)
    )
    if barriers:
        freed = yield from count_down([(row[0], row[1]) for row in barriers])
        more = yield from read_ready(freed, owner)
        ready = [*ready, *more]
        left = most_briefs - len(briefs)
        briefs = [*briefs, *(yield from read_briefs([row[0] for row in more[: max(0, left)]]))]
    return Ended(list(subtasks), list(tasks), list(ready), list(briefs))


def _end_in_steps(
    claims: list[tuple[str, int, str]], owner: str, most_briefs: int
) -> Transaction[list[Row]]:
    subtasks = yield Query(FINISH_SUBTASKS, (claims, owner))
    tasks = yield Query(FINISH_TASKS, ([row[3] for row in subtasks],))
    freed = yield from count_down([(row[1], row[2]) for row in tasks])
    ready = yield from read_ready(freed, owner)
    briefs = yield from read_briefs([row[0] for row in ready[:most_briefs]])
    return [subtasks, tasks, [], ready, briefs]


def count_down(ended: Sequence[tuple[str, int]]) -> Transaction[list[str]]:
    """Count down what nodes that are over (project, node) held back; return the tasks nothing
    holds back now."""
    freed: list[str] = []
    frontier = list(ended)
    while frontier:
        rows = yield Query(COUNT_DOWN, (frontier,))
        opened = [row for row in rows if row[2] == 0]
        freed += [row[3] for row in opened if row[3]]
        frontier = [(row[0], row[1]) for row in opened if not row[3]]
    return freed


def read_ready(task_ids: Sequence[str], worker_id: str) -> Transaction[list[Row]]:
    """Read pending tasks about to be queued, and whether the worker may take them over.

    It may while its lease runs; where there is a budget, everything starts with a claim.
    """
    if not task_ids:
        return []
    return (yield Query(READY, (list(task_ids), worker_id)))


def read_briefs(task_ids: Sequence[str]) -> Transaction[list[Row]]:
    """Read what a brief says of tasks: (id, key, title, agent, instructions, acceptance, sources,
    whether its output is reviewed)."""
    if not task_ids:
        return []
    return (yield Query(BRIEFS, (list(task_ids),)))
