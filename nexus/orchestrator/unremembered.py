"""Projects that have succeeded and are not in memory yet: each gets one `remember` subtask.

Nothing of this is in the way of a project's end: workers look for what has ended.
"""

from collections import defaultdict
from typing import Final

from nexus.models.writing import Query, Transaction
from nexus.orchestrator.queueing import queue_remembering
from nexus.orchestrator.team import is_model_driven
from nexus.orchestrator.turn import Turn

LOOKED_AT: Final = 100
QUEUED_AT_ONCE: Final = 8


def unremembered() -> Query:
    """Ask whether there are any: cheap where there are none."""
    return Query(
        "SELECT 1 FROM projects WHERE status = 'succeeded' AND remembered_by IS NULL LIMIT 1"
    )


def find_unremembered(turn: Turn) -> Transaction[int]:
    """Queue the remembering of some projects; return how many.

    Those of functions alone are passed over: what they deliver is data of whoever wrote them.
    """
    rows = yield Query(
        "SELECT p.id, p.workspace, t.agent FROM (SELECT id, workspace FROM projects "
        "WHERE status = 'succeeded' AND remembered_by IS NULL ORDER BY id LIMIT $1) p "
        "JOIN tasks t ON t.project_id = p.id AND t.node >= 0 "
        "GROUP BY p.id, p.workspace, t.agent ORDER BY p.id",
        (LOOKED_AT,),
    )
    agents: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for project_id, workspace, agent in rows:
        agents[project_id, workspace].add(agent)
    told = [one for one, named in agents.items() if any(map(is_model_driven, named))]
    passed = sorted(project_id for project_id, _ in agents.keys() - set(told))
    if passed:
        yield Query(
            "UPDATE projects SET remembered_by = '' WHERE id IN EACH($1) AND remembered_by IS NULL",
            (passed,),
        )
    for project_id, workspace in told[:QUEUED_AT_ONCE]:
        yield from queue_remembering(turn, workspace, project_id)
    return len(told[:QUEUED_AT_ONCE])
