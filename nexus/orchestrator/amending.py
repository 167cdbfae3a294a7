"""A plan takes the place of another: what is finished or at work stays, the rest changes.

Called when a person edits a plan and when the ManagerAgent amends one. The project is
locked, and nothing that the transaction has to say about its tasks is left unwritten.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from nexus.domain.graph import Graph, Progress
from nexus.domain.plan import Plan, PlanTask, place_of
from nexus.domain.states import TASK_TERMINAL, ProjectState, TaskState
from nexus.errors import Conflict, FieldProblem, InvalidInput
from nexus.models.writing import Many, Query, Transaction
from nexus.orchestrator.planting import (
    UPDATE_TASK,
    definition_of,
    insert_tasks,
    keep_version,
    plant_graph,
    plant_phases,
)
from nexus.orchestrator.queueing import queue_tasks
from nexus.orchestrator.transitions.subtasks import withdraw_subtasks
from nexus.orchestrator.transitions.tasks import drop_tasks, reopen_tasks, skip_tasks
from nexus.orchestrator.turn import Subject, Turn

AT_WORK: Final = (TaskState.RUNNING, TaskState.WAITING)
LASTING: Final = (TaskState.SUCCEEDED, *AT_WORK)
MOVING: Final = (ProjectState.RUNNING, ProjectState.PAUSED)
KEYS_TOLD: Final = 100


@dataclass(frozen=True, slots=True)
class Amendment:
    """A new plan, compiled, who wrote it and why."""

    plan: Plan
    graph: Graph
    author: str
    because: str
    comment: str | None = None
    reason: str | None = None  # what the manager does differently
    safe: str | None = None  # why it was made by rule


@dataclass(slots=True)
class Standing:
    """A task as it is stored; `node` is −1 if the present plan does not have it."""

    id: str
    state: TaskState
    node: int
    subtask_id: str | None

    @property
    def is_queued(self) -> bool:
        return self.state is TaskState.PENDING and self.subtask_id is not None


@dataclass(slots=True)
class Change:
    """What becomes of the tasks, by key."""

    rows: Mapping[str, Standing]
    dropped: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    reopened: list[str] = field(default_factory=list)


def amend_plan(turn: Turn, project: Subject, new: Amendment) -> Transaction[int]:
    """Put a new plan in the place of a project's present one; return its version.

    Raises:
        Conflict: it leaves out a task that is at work.
        InvalidInput: it changes what is finished or at work.
    """
    status, version = yield from _read_project(project)
    old = yield from read_plan(project, version)
    rows = yield from read_standings(project)
    change = _compare(old, new.plan, rows, status)
    progress = Progress(new.graph, [_state(change, key) for key in new.graph.keys])
    culprit = progress.culprit()
    skipped = progress.settle_skips() if status in MOVING else []
    ready = {new.graph.keys[node] for node in progress.ready()} if status in MOVING else set()
    withdrawn = [
        key
        for key in new.graph.keys
        if key in rows and rows[key].is_queued and (key in change.changed or key not in ready)
    ]
    yield from _move(turn, project, change, withdrawn)
    ids = yield from _write_tasks(project, new, change)
    skips = [ids[new.graph.keys[node]] for node in skipped]
    if skips:
        yield from skip_tasks(turn, project, skips, culprit)
    shown = {
        key: _shown(progress.states[at], rows.get(key), key in withdrawn)
        for at, key in enumerate(new.graph.keys)
    }
    turn.forget_counts(project.project_id)
    yield from _plant_anew(project, new, [ids[key] for key in new.graph.keys], progress)
    yield from plant_phases(project, new.plan, shown)
    version = yield from _count_anew(project, progress)
    yield from keep_version(project, new.plan, version, new.author)
    turn.tell(
        project,
        "project.replanned",
        plan_version=version,
        status=status.value,
        because=new.because,
        comment=new.comment,
        reason=new.reason,
        safe=new.safe,
        added=[*change.added[:KEYS_TOLD]],
        changed=[*change.changed[:KEYS_TOLD]],
        dropped=[*change.dropped[:KEYS_TOLD]],
    )
    if status in MOVING:
        idle = [key for key in new.graph.keys if key in ready and shown[key] == "pending"]
        yield from queue_tasks(turn, [ids[key] for key in idle])
    return version


def _read_project(project: Subject) -> Transaction[tuple[ProjectState, int]]:
    rows = yield Query(
        "SELECT status, plan_version FROM projects WHERE id = $1", (project.project_id,)
    )
    return ProjectState(rows[0][0]), rows[0][1]


def read_plan(project: Subject, version: int) -> Transaction[Plan]:
    """Read a version of a project's plan."""
    rows = yield Query(
        "SELECT document FROM plan_versions WHERE project_id = $1 AND version = $2",
        (project.project_id, version),
    )
    return Plan.model_validate_json(rows[0][0])


def read_standings(project: Subject) -> Transaction[dict[str, Standing]]:
    """Read how far every task of a project has come, by key."""
    rows = yield Query(
        "SELECT key, id, status, node, subtask_id FROM tasks WHERE project_id = $1",
        (project.project_id,),
    )
    return {row[0]: Standing(row[1], TaskState(row[2]), row[3], row[4]) for row in rows}


def _compare(old: Plan, new: Plan, rows: Mapping[str, Standing], status: ProjectState) -> Change:
    """Say what becomes of every task.

    Raises:
        Conflict: a task at work would go.
        InvalidInput: a task that is finished or at work would change.
    """
    before = {task.key: task for _, _, task in old.tasks()}
    after = {task.key: task for _, _, task in new.tasks()}
    change = Change(rows)
    change.dropped = [key for key in before if key not in after]
    busy = [key for key in change.dropped if rows[key].state in AT_WORK]
    if busy:
        raise Conflict(
            f"the plan leaves out the task {busy[0]}, which is at work",
            code="task_at_work",
            hint="keep it in the plan, or wait until it has ended",
        )
    problems = list(_finished_but_changed(before, new, rows))
    if problems:
        raise InvalidInput(
            f"the plan cannot take the place of the present one: {problems[0].message}",
            code="invalid_plan",
            problems=tuple(problems[:20]),
        )
    change.added = [key for key in after if key not in before]
    change.changed = [key for key in after if key in before and before[key] != after[key]]
    change.reopened = [key for key in after if key in rows and _reopens(change, key, status)]
    return change


def _finished_but_changed(
    before: Mapping[str, PlanTask], new: Plan, rows: Mapping[str, Standing]
) -> Iterator[FieldProblem]:
    for at, position, task in new.tasks():
        row = rows.get(task.key)
        if row and row.state in LASTING and before.get(task.key) != task:
            word = "finished" if row.state is TaskState.SUCCEEDED else "at work"
            yield FieldProblem(
                place_of(at, position, "key"),
                f"the task {task.key} is {word} and does not change: give what is new another key",
            )


def _reopens(change: Change, key: str, status: ProjectState) -> bool:
    """Tell whether a task that did not succeed is to be done: a retry reopens a failed project's."""
    row = change.rows[key]
    if row.state not in TASK_TERMINAL or row.state is TaskState.SUCCEEDED:
        return False
    if key in change.added:
        return True
    is_over = status not in MOVING
    return not is_over and (row.state is not TaskState.FAILED or key in change.changed)


def _state(change: Change, key: str) -> TaskState:
    row = change.rows.get(key)
    return TaskState.PENDING if row is None or key in change.reopened else row.state


def _shown(state: TaskState, row: Standing | None, is_withdrawn: bool) -> str:
    is_queued = state is TaskState.PENDING and row is not None and row.is_queued
    return "queued" if is_queued and not is_withdrawn else state.value


def _move(turn: Turn, project: Subject, change: Change, withdrawn: list[str]) -> Transaction[None]:
    rows = change.rows
    gone = [rows[key].id for key in change.dropped]
    idle = [rows[key].id for key in withdrawn]
    if gone or idle:
        yield from withdraw_subtasks(turn, project, [*gone, *idle])
    if gone:
        yield from drop_tasks(turn, project, gone)
    if change.reopened:
        yield from reopen_tasks(turn, project, [rows[key].id for key in change.reopened])


def _write_tasks(project: Subject, new: Amendment, change: Change) -> Transaction[dict[str, str]]:
    """Write what the new plan says of every task; return the ids of its tasks by key."""
    born, kept = [], []
    ids: dict[str, str] = {}
    for node, (at, _, task) in enumerate(new.plan.tasks()):
        definition = definition_of(task, new.plan.phases[at].key, node)
        row = change.rows.get(task.key)
        if row is None:
            born.append((task, definition))
        else:
            ids[task.key] = row.id
            kept.append((row.id, *definition))
    if kept:
        yield Many(UPDATE_TASK, kept)
    return ids | (yield from insert_tasks(project, born))


def _plant_anew(
    project: Subject, new: Amendment, task_ids: list[str], progress: Progress
) -> Transaction[None]:
    yield Query("DELETE FROM nodes WHERE project_id = $1", (project.project_id,))
    yield Query("DELETE FROM edges WHERE project_id = $1", (project.project_id,))
    yield Query("DELETE FROM phases WHERE project_id = $1", (project.project_id,))
    yield from plant_graph(project, new.graph, task_ids, progress.blocked_by())


def _count_anew(project: Subject, progress: Progress) -> Transaction[int]:
    """Set a project's counters from the states of its tasks; return the plan's new version."""
    rows = yield Query(
        "UPDATE projects SET plan_version = plan_version + 1, tasks_total = $2, tasks_open = $3, "
        "tasks_succeeded = $4 WHERE id = $1 RETURNING plan_version",
        (
            project.project_id,
            len(progress.states),
            sum(state not in TASK_TERMINAL for state in progress.states),
            sum(state is TaskState.SUCCEEDED for state in progress.states),
        ),
    )
    version: int = rows[0][0]
    return version
