"""What one project's rows must say of themselves and of each other, after any commit and any crash.

The state machine over the engine and the history checker of the chaos suite both ask here.
Every function yields a sentence for each thing that is wrong.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from nexus.domain.graph import Edge, Graph, Progress
from nexus.domain.states import PROJECT_TERMINAL, SHOWN, SUBTASK_TERMINAL, TASK_TERMINAL, TaskState
from tests.support.parts import differences_of_parts, waiting_for_parts
from tests.support.reviews import differences_of_reviews

Row = Mapping[str, Any]
OPEN: Final = ("queued", "running", "waiting")

PROJECT_FOLDS: Final = {
    "created": "planning",
    "started": "running",
    "resumed": "running",
}
TASK_FOLDS: Final = {"started": "running", "reviewed": "running", "reset": "pending"}
SUBTASK_FOLDS: Final = {
    "started": "running",
    "delegated": "running",
    "retrying": "queued",
    "released": "queued",
}


@dataclass(frozen=True, slots=True)
class History:
    """One project's rows: tasks and nodes by node, events by seq."""

    project: Row
    tasks: Sequence[Row]
    subtasks: Sequence[Row]
    events: Sequence[Row]
    nodes: Sequence[Row]
    edges: Sequence[Row]
    phases: Sequence[Row]
    approvals: Sequence[Row] = ()
    offshoots: Sequence[Row] = ()
    reservations: Sequence[Row] = ()
    parts: Sequence[Row] = ()

    @property
    def id(self) -> str:
        return str(self.project["id"])

    @property
    def planned(self) -> Sequence[Row]:
        """The tasks of the newest plan, by node."""
        return [task for task in self.tasks if task["node"] >= 0]


@dataclass
class Folded:
    """The states that a history adds up to."""

    project: str = ""
    tasks: dict[str, str] = field(default_factory=dict)
    subtasks: dict[str, str] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    has_plan: bool = False

    def add(self, event: Row) -> None:
        """Move on by one event."""
        what, _, how = event["type"].partition(".")
        if what == "project":
            self.has_plan |= how == "planned"
            again = "running" if self.has_plan else "planning"
            told = {"retried": again, "replanned": _data(event).get("status")}
            self.project = told.get(how) or PROJECT_FOLDS.get(how, how)
        elif what == "task":
            self.tasks[event["task_id"]] = TASK_FOLDS.get(how, how)
        elif what == "subtask" and how != "superseded":
            self.subtasks[event["subtask_id"]] = SUBTASK_FOLDS.get(how, how)
            if how == "started":
                self.attempts[event["subtask_id"]] = event["attempt"]


def _data(event: Row) -> Mapping[str, Any]:
    kept = event["data"]
    data: Mapping[str, Any] = json.loads(kept) if isinstance(kept, str) else kept
    return data


def differences(history: History) -> Iterator[str]:
    """Compare a project's rows with its events, its counters and its graph."""
    yield from differences_of_events(history)
    yield from differences_of_counters(history)
    yield from differences_of_phases(history)
    yield from differences_of_subtasks(history)
    yield from differences_of_current(history)
    yield from differences_of_waiting(history)
    yield from differences_of_reviews(history.tasks, history.subtasks, history.offshoots)
    yield from differences_of_parts(history.subtasks, history.parts, history.events)
    if history.tasks and history.project["status"] in ("running", "waiting"):
        yield from differences_of_graph(history)


def differences_of_events(history: History) -> Iterator[str]:
    """Event numbers have no gap, and folding the events gives the tables' state."""
    project, events = history.project, history.events
    seqs = [event["seq"] for event in events]
    if seqs != list(range(1, project["seq"] + 1)):
        yield f"event numbers are {_short(seqs)}, the project's last is {project['seq']}"
    folded = Folded()
    for event in events:
        folded.add(event)
    if folded.project != project["status"]:
        yield f"events say the project is {folded.project}, its row {project['status']}"
    pending = {task["id"]: "pending" for task in history.tasks}
    yield from _compare("task", pending | folded.tasks, history.tasks)
    yield from _compare("subtask", folded.subtasks, history.subtasks)
    yield from _differences_of_attempts(history, folded)
    called = sum(event["type"] == "model.called" for event in events)
    if called != project["requests"]:
        yield f"{called} events model.called, {project['requests']} requests in the project's row"


def _differences_of_attempts(history: History, folded: Folded) -> Iterator[str]:
    """Progress is written anew for the tasks that events name, and for no others."""
    owners = {one["id"]: one["task_id"] for one in history.subtasks}
    for one in history.subtasks:
        told = folded.attempts.get(one["id"], 0)
        if told != one["attempt"]:
            yield f"events say attempt {told} of subtask {one['id']}, its row {one['attempt']}"
    for event in history.events:
        if event["subtask_id"] in owners and event["task_id"] != owners[event["subtask_id"]]:
            yield f"event {event['seq']} names another task than its subtask's"


def _compare(what: str, told: Mapping[str, str], rows: Sequence[Row]) -> Iterator[str]:
    kept = {row["id"]: row["status"] for row in rows}
    for one in sorted(told.keys() | kept.keys()):
        if told.get(one) != kept.get(one):
            yield f"events say {what} {one} is {told.get(one)}, its row {kept.get(one)}"


def differences_of_counters(history: History) -> Iterator[str]:
    """The project's counters are those of its tasks; it is over when they are."""
    project, tasks = history.project, history.planned
    still_open = sum(task["status"] not in TASK_TERMINAL for task in tasks)
    succeeded = sum(task["status"] == "succeeded" for task in tasks)
    counted = {"tasks_total": len(tasks), "tasks_open": still_open, "tasks_succeeded": succeeded}
    for name, count in counted.items():
        if project[name] != count:
            yield f"{name} is {project[name]}, and {count} when counted"
    is_over = project["status"] in PROJECT_TERMINAL
    # What runs when a project is paused may be its last: it ends when it is resumed.
    # A failed project's plan may be edited: what is new begins when it is retried.
    is_edited = project["status"] == "failed" and project["plan_version"] > 1
    moves = project["status"] != "paused" and not is_edited
    if tasks and moves and is_over != (still_open == 0) and not _is_amended(history):
        yield f"the project is {project['status']} with {still_open} open tasks"
    if (project["finished_at"] is not None) != is_over:
        yield f"the project is {project['status']} and finished_at is {project['finished_at']}"
    if project["status"] == "succeeded" and succeeded != len(tasks):
        yield f"the project succeeded with {succeeded} of {len(tasks)} tasks"


def _is_amended(history: History) -> bool:
    return any(one["kind"] == "replan" and one["status"] in OPEN for one in history.subtasks)


def differences_of_phases(history: History) -> Iterator[str]:
    """A phase's counts are those of its tasks."""
    counted: dict[tuple[str, str], int] = {}
    for task in history.planned:
        is_queued = task["status"] == "pending" and task["subtask_id"] is not None
        place = (task["phase"], "queued" if is_queued else task["status"])
        counted[place] = counted.get(place, 0) + 1
    kept = {
        (phase["key"], shown): phase[shown]
        for phase in history.phases
        for shown in SHOWN
        if phase[shown]
    }
    for phase, shown in sorted(counted.keys() | kept.keys()):
        told, count = kept.get((phase, shown), 0), counted.get((phase, shown), 0)
        if told != count:
            yield f"phase {phase} says {told} tasks are {shown}, and {count} when counted"


def differences_of_subtasks(history: History) -> Iterator[str]:
    """One subtask a task is at work; owners, attempts and requests add up."""
    for one in history.subtasks:
        if (one["owner"] is not None) != (one["status"] == "running"):
            yield f"subtask {one['id']} is {one['status']} and its owner {one['owner']}"
        if one["attempt"] > one["max_attempts"]:
            yield f"subtask {one['id']} had {one['attempt']} of {one['max_attempts']} attempts"
    yield from _differences_of_open_work(history)
    if sum(one["requests"] for one in history.subtasks) != history.project["requests"]:
        yield "the requests of the subtasks do not add up to the project's"


def differences_of_current(history: History) -> Iterator[str]:
    """A pending task has a subtask if and only if that is queued."""
    owners = {one["id"]: one for one in history.subtasks}
    for task in history.tasks:
        current = owners.get(task["subtask_id"])
        if current and task["status"] == "pending" and current["status"] != "queued":
            yield f"task {task['key']} is pending and its subtask {current['status']}"
        if not current and task["status"] in ("running", "waiting", "succeeded", "failed"):
            yield f"task {task['key']} is {task['status']} and has no subtask"
        for subtask_id in (task["subtask_id"], task["earlier_subtask_id"]):
            if subtask_id and owners[subtask_id]["task_id"] != task["id"]:
                yield f"task {task['key']} has the subtask of another"


def differences_of_waiting(history: History) -> Iterator[str]:
    """What waits is asked about, has no budget or has delegated, and the other way round; a
    project rests only when it must."""
    waits = {one["id"] for one in history.subtasks if one["status"] == "waiting"}
    asked = {one["subtask_id"] for one in history.approvals if one["status"] == "pending"}
    over = {one["id"] for one in history.subtasks if one["status"] in SUBTASK_TERMINAL}
    held_back = {one["subtask_id"] for one in history.reservations if not one["granted"]} - over
    split = waiting_for_parts(history.subtasks, history.parts)
    if asked | held_back | split != waits or asked & held_back or split & (asked | held_back):
        yield (
            f"{len(waits)} subtasks wait, {len(asked)} are asked about, "
            f"{len(held_back)} have no budget, {len(split)} have delegated"
        )
    resting = {task["id"] for task in history.tasks if task["status"] == "waiting"}
    if resting != {one["task_id"] for one in history.subtasks if one["id"] in waits} - {None}:
        yield "other tasks wait than their subtasks"
    moving = any(one["status"] in ("queued", "running") for one in history.subtasks)
    status = history.project["status"]
    if status in ("running", "waiting") and (status == "waiting") != (bool(waits) and not moving):
        yield f"the project is {status} with {len(waits)} waiting subtasks"
    if status == "planning" and held_back:
        yield "the project is planning, and waits for a budget that nothing wakes it for"
    for one in history.approvals:
        if one["used_at"] is not None and one["status"] not in ("approved", "rejected"):
            yield f"approval {one['id']} is {one['status']} and was used"


def _differences_of_open_work(history: History) -> Iterator[str]:
    project, subtasks = history.project, history.subtasks
    at_work = [one for one in subtasks if one["status"] in OPEN and one["kind"] != "delegated"]
    if len({one["task_id"] for one in at_work}) != len(at_work):
        yield "a task has two subtasks at work"
    if project["status"] in (*PROJECT_TERMINAL, "planned"):
        if at_work:
            yield f"the project is {project['status']} with {len(at_work)} subtasks at work"
    elif not at_work and project["status"] != "paused":
        yield f"the project is {project['status']} and waits for nothing"
    current = {task["subtask_id"] for task in history.tasks}
    if any(one["id"] not in current for one in at_work if one["kind"] in ("work", "revise")):
        yield "a subtask at work is not its task's current one"


def graph_of(history: History) -> Graph:
    """Build the graph that is stored for a project."""
    return Graph(
        tuple(task["key"] for task in history.planned),
        len(history.nodes) - len(history.planned),
        tuple(Edge(e["source"], e["target"], bool(e["data"])) for e in history.edges),
    )


def differences_of_graph(history: History) -> Iterator[str]:
    """The stored counters hold back exactly what the states of a running project hold back."""
    tasks, graph = history.planned, graph_of(history)
    progress = Progress(graph, [TaskState(task["status"]) for task in tasks])
    if [node["blocked_by"] for node in history.nodes] != progress.blocked_by():
        yield "the nodes' counters are not what the tasks' states hold back"
    at_work = {one["task_id"] for one in history.subtasks if one["status"] in OPEN}
    for node in progress.ready():
        if tasks[node]["id"] not in at_work:
            yield f"task {tasks[node]['key']} is ready and not queued"
    for task in tasks:
        if task["id"] in at_work or task["status"] == "running":
            sources = [progress.states[source] for source in graph.inputs_of(task["node"])]
            if any(state is not TaskState.SUCCEEDED for state in sources):
                yield f"task {task['key']} is at work before its inputs are there"
    for node in progress.settle_skips():
        yield f"task {tasks[node]['key']} is fed by what did not succeed, and not skipped"


def _short(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:20])
    return f"{shown}{', …' if len(numbers) > 20 else ''}"
