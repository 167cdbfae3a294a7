"""Claims: the only gate between a queued subtask and its execution."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

from nexus.domain.states import SubtaskKind
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.budgeting import hold_at_start
from nexus.orchestrator.material import Material, Recall, Wanted, gather
from nexus.orchestrator.newborn import NewSubtask
from nexus.orchestrator.queueing import announce_projects
from nexus.orchestrator.transitions.subtasks import Held, claim_subtasks, release_subtask
from nexus.orchestrator.transitions.tasks import start_tasks
from nexus.orchestrator.turn import Turn, lock_projects_of

AGEING_US: Final = 30_000_000


@dataclass(frozen=True, slots=True)
class Claimed:
    """A subtask in a worker's hands; `seconds_left` counts to its task's time limit."""

    held: Held
    attempt: int
    workspace: str
    project_id: str | None
    task_id: str | None
    document_id: str | None
    kind: SubtaskKind
    agent: str
    max_attempts: int
    generation: int
    max_model_calls: int
    timeout_seconds: float
    seconds_left: float
    has_history: bool  # there may be journal records to replay
    material: Material | None  # None for what belongs to no project

    @property
    def place(self) -> str:
        """The project or conversation whose folders are used; empty for a document."""
        of_chat = self.material.conversation_id if self.material else None
        return self.project_id or of_chat or ""


def claim_locked(
    turn: Turn, worker_id: str, subtask_ids: Sequence[str], recall: Recall
) -> Transaction[list[Claimed]]:
    """Claim where the projects are locked already."""
    rows = yield from claim_subtasks(turn, worker_id, subtask_ids)
    if not rows:
        return []
    started = [row for row in rows if row[5]]
    if started:
        yield from start_tasks(turn, started)
    rows = yield from hold_at_start(turn, worker_id, rows)
    yield from announce_projects(turn, sorted({row[4] for row in rows if row[4]}))
    wanted = [Wanted(row[0], row[4], row[5]) for row in rows if row[4]]
    materials = yield from gather(wanted, recall, {})
    return [_claimed(worker_id, row, materials.get(row[0])) for row in rows]


def claim_taken(
    taken: Sequence[NewSubtask],
    recall: Recall,
    outputs: Mapping[str, str],
    briefs: Sequence[Row] = (),
) -> Transaction[list[Claimed]]:
    """Describe subtasks that were born in a worker's hands (see `gather`)."""
    wanted = [Wanted(one.id, one.project_id or "", one.task_id) for one in taken]
    materials = yield from gather(wanted, recall, outputs, briefs)
    return [
        Claimed(
            held=Held(one.id, 1, one.owner or ""),
            attempt=1,
            workspace=one.workspace,
            project_id=one.project_id,
            task_id=one.task_id,
            document_id=None,
            kind=one.kind,
            agent=one.agent,
            max_attempts=one.max_attempts,
            generation=0,
            max_model_calls=one.max_model_calls,
            timeout_seconds=one.timeout_seconds,
            seconds_left=one.timeout_seconds,
            has_history=one.supersedes is not None,
            material=materials.get(one.id),
        )
        for one in taken
    ]


def _claimed(worker_id: str, row: Row, material: Material | None) -> Claimed:
    return Claimed(
        held=Held(row[0], row[2], worker_id),
        attempt=row[1],
        workspace=row[3],
        project_id=row[4],
        task_id=row[5],
        document_id=row[6],
        kind=SubtaskKind(row[7]),
        agent=row[8],
        max_attempts=row[9],
        generation=row[10],
        max_model_calls=row[11],
        timeout_seconds=row[12],
        seconds_left=row[13] / 1_000_000,
        has_history=row[2] > 1 or row[14] is not None,
        material=material,
    )


def claims_of(worker_id: str, known: Set[str]) -> Transaction[list[Claimed]]:
    """Describe what the database has under a worker, apart from the subtasks in `known`."""
    held = yield Query(
        "SELECT id FROM subtasks WHERE owner = $1 AND status = 'running'", (worker_id,)
    )
    # Locked, no project is deleted between its subtasks and what they are about.
    yield from lock_projects_of([row[0] for row in held if row[0] not in known])
    rows = yield Query(
        "SELECT id, attempt, claim, workspace, project_id, task_id, document_id, kind, agent, "
        "max_attempts, generation, max_model_calls, timeout_seconds, deadline_at - NOW_US(), "
        "supersedes FROM subtasks WHERE owner = $1 AND status = 'running'",
        (worker_id,),
    )
    rows = [row for row in rows if row[0] not in known]
    wanted = [Wanted(row[0], row[4], row[5]) for row in rows if row[4]]
    materials = yield from gather(wanted, Recall(), {})
    return [_claimed(worker_id, row, materials.get(row[0])) for row in rows]


def release_all(turn: Turn, worker_id: str, reason: str) -> Transaction[int]:
    """Give back whatever is claimed under a worker, counting no attempt; return how many there were."""
    rows = yield Query(
        "SELECT id, claim FROM subtasks WHERE owner = $1 AND status = 'running' ORDER BY id",
        (worker_id,),
    )
    if not rows:
        return 0
    yield from lock_projects_of([row[0] for row in rows])
    given_back = 0
    for subtask_id, number in rows:
        given_back += yield from release_subtask(turn, Held(subtask_id, number, worker_id), reason)
    return given_back


def due_subtasks(limit: int) -> Transaction[list[str]]:
    """List queued, due subtasks: what to claim when the queue is away.

    Quick kinds go first, but not before work that has waited for `AGEING_US` longer.
    """
    rows = yield Query(
        "SELECT s.id FROM subtasks s LEFT JOIN projects p ON p.id = s.project_id "
        "WHERE s.status = 'queued' AND s.run_at <= NOW_US() "
        "AND (p.id IS NULL OR p.status IN ('running', 'planning')) "
        "ORDER BY s.run_at + s.priority * CAST($2 AS BIGINT), s.id LIMIT $1",
        (limit, AGEING_US),
    )
    return [row[0] for row in rows]


def is_work_open() -> Transaction[bool]:
    """Tell whether any subtask is queued or running."""
    rows = yield Query(
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM subtasks WHERE status = 'queued') "
        "OR EXISTS (SELECT 1 FROM subtasks WHERE status = 'running')"
    )
    return bool(rows)
