"""What a project's events say its tables hold, and what its tables say of themselves."""

import sqlite3
from dataclasses import dataclass, field

from nexus.domain.graph import Edge, Graph, Progress
from nexus.domain.states import PROJECT_TERMINAL, TASK_TERMINAL, TaskState
from tests.orchestrator.bench import Ledger

OPEN = ("queued", "running", "waiting")


@dataclass
class Folded:
    """The states that a history adds up to."""

    project: str = ""
    tasks: dict[str, str] = field(default_factory=dict)
    subtasks: dict[str, str] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    has_plan: bool = False

    def add(self, event: sqlite3.Row) -> None:
        what, _, how = event["type"].partition(".")
        if what == "project":
            self.has_plan |= how == "planned"
            states = {"created": "planning", "started": "running", "resumed": "running"}
            again = "running" if self.has_plan else "planning"
            self.project = again if how == "retried" else states.get(how, how)
        elif what == "task":
            states = {"started": "running", "reset": "pending"}
            self.tasks[event["task_id"]] = states.get(how, how)
        elif what == "subtask" and how != "superseded":
            states = {"started": "running", "retrying": "queued", "released": "queued"}
            self.subtasks[event["subtask_id"]] = states.get(how, how)
            if how == "started":
                self.attempts[event["subtask_id"]] = event["attempt"]


def check_project(ledger: Ledger, project_id: str) -> None:
    """Assert everything that holds for a project after every commit."""
    (project,) = ledger.rows("SELECT * FROM projects WHERE id = ?", project_id)
    tasks = ledger.rows("SELECT * FROM tasks WHERE project_id = ? ORDER BY node", project_id)
    subtasks = ledger.rows("SELECT * FROM subtasks WHERE project_id = ?", project_id)
    _check_history(ledger, project, tasks, subtasks)
    _check_counters(project, tasks)
    _check_subtasks(project, tasks, subtasks)
    _check_waiting(ledger, project, tasks, subtasks)
    _check_current(tasks, subtasks)
    if tasks and project["status"] in ("running", "waiting"):
        _check_graph(ledger, project_id, tasks, subtasks)


def _check_history(
    ledger: Ledger, project: sqlite3.Row, tasks: list[sqlite3.Row], subtasks: list[sqlite3.Row]
) -> None:
    events = ledger.rows("SELECT * FROM events WHERE project_id = ? ORDER BY seq", project["id"])
    assert [event["seq"] for event in events] == list(range(1, project["seq"] + 1))
    folded = Folded()
    for event in events:
        folded.add(event)
    assert folded.project == project["status"]
    assert {t["id"]: folded.tasks.get(t["id"], "pending") for t in tasks} == {
        t["id"]: t["status"] for t in tasks
    }
    assert folded.subtasks == {s["id"]: s["status"] for s in subtasks}
    # Progress is written anew for the tasks that events name, and for no others.
    assert {s["id"]: folded.attempts.get(s["id"], 0) for s in subtasks} == {
        s["id"]: s["attempt"] for s in subtasks
    }
    task_of = {s["id"]: s["task_id"] for s in subtasks}
    about = [e for e in events if e["subtask_id"] in task_of]
    assert [e["task_id"] for e in about] == [task_of[e["subtask_id"]] for e in about]
    assert sum(event["type"] == "model.called" for event in events) == project["requests"]


def _check_counters(project: sqlite3.Row, tasks: list[sqlite3.Row]) -> None:
    still_open = sum(t["status"] not in TASK_TERMINAL for t in tasks)
    assert project["tasks_total"] == len(tasks)
    assert project["tasks_open"] == still_open
    assert project["tasks_succeeded"] == sum(t["status"] == "succeeded" for t in tasks)
    if tasks:
        assert (project["status"] in PROJECT_TERMINAL) == (still_open == 0)
    assert (project["finished_at"] is not None) == (project["status"] in PROJECT_TERMINAL)
    if project["status"] == "succeeded":
        assert project["tasks_succeeded"] == len(tasks)


def _check_subtasks(
    project: sqlite3.Row, tasks: list[sqlite3.Row], subtasks: list[sqlite3.Row]
) -> None:
    at_work = [s for s in subtasks if s["status"] in OPEN]
    assert len({s["task_id"] for s in at_work}) == len(at_work)
    for subtask in subtasks:
        assert (subtask["owner"] is not None) == (subtask["status"] == "running")
        assert subtask["attempt"] <= subtask["max_attempts"]
    if project["status"] in (*PROJECT_TERMINAL, "planned"):
        assert at_work == []
    else:
        assert at_work, f"a project that is {project['status']} waits for nothing"
    current = {t["subtask_id"] for t in tasks}
    assert all(s["id"] in current for s in at_work if s["kind"] == "work")
    assert sum(s["requests"] for s in subtasks) == project["requests"]


def _check_current(tasks: list[sqlite3.Row], subtasks: list[sqlite3.Row]) -> None:
    """A pending task has a subtask if and only if that is queued."""
    by_id = {s["id"]: s for s in subtasks}
    for task in tasks:
        current = by_id[task["subtask_id"]] if task["subtask_id"] else None
        if current and task["status"] == "pending":
            assert current["status"] == "queued"
        for subtask_id in (task["subtask_id"], task["earlier_subtask_id"]):
            assert subtask_id is None or by_id[subtask_id]["task_id"] == task["id"]
        if task["status"] in ("running", "waiting", "succeeded", "failed"):
            assert current


def _check_waiting(
    ledger: Ledger, project: sqlite3.Row, tasks: list[sqlite3.Row], subtasks: list[sqlite3.Row]
) -> None:
    """What waits is asked about, what is asked about waits, and a project rests only when it must."""
    asked = ledger.rows("SELECT * FROM approvals WHERE project_id = ?", project["id"])
    waits = {s["id"] for s in subtasks if s["status"] == "waiting"}
    assert {one["subtask_id"] for one in asked if one["status"] == "pending"} == waits
    current = {t["subtask_id"] for t in tasks if t["status"] == "waiting"}
    assert current == {s["id"] for s in subtasks if s["id"] in waits and s["task_id"]}
    moving = any(s["status"] in ("queued", "running") for s in subtasks)
    if project["status"] in ("running", "waiting"):
        assert (project["status"] == "waiting") == (bool(waits) and not moving)
    used = [one for one in asked if one["used_at"] is not None]
    assert all(one["status"] in ("approved", "rejected") for one in used)


def _check_graph(
    ledger: Ledger, project_id: str, tasks: list[sqlite3.Row], subtasks: list[sqlite3.Row]
) -> None:
    nodes = ledger.rows("SELECT * FROM nodes WHERE project_id = ? ORDER BY node", project_id)
    edges = ledger.rows("SELECT * FROM edges WHERE project_id = ?", project_id)
    graph = Graph(
        tuple(t["key"] for t in tasks),
        len(nodes) - len(tasks),
        tuple(Edge(e["source"], e["target"], bool(e["data"])) for e in edges),
    )
    progress = Progress(graph, [TaskState(t["status"]) for t in tasks])
    assert [node["blocked_by"] for node in nodes] == progress.blocked_by()
    at_work = {s["task_id"] for s in subtasks if s["status"] in OPEN}
    assert {tasks[node]["id"] for node in progress.ready()} <= at_work, "ready and not queued"
    for task in tasks:
        if task["id"] in at_work or task["status"] == "running":
            sources = [progress.states[source] for source in graph.inputs_of(task["node"])]
            assert all(state is TaskState.SUCCEEDED for state in sources)
    assert progress.settle_skips() == [], "fed by what did not succeed, and not skipped"
