"""Why a task is not moving, said from facts alone; pure.

Called with rows that were read in one snapshot. What the facts do not show is not said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from nexus.domain.clock import rfc3339
from nexus.domain.states import ProjectState, SubtaskState

SHOWN_CALLS: Final = 5
SHOWN_PARTS: Final = 10


class Why(StrEnum):
    """What an unfinished task waits for."""

    DEPENDENCIES = "dependencies"
    PHASE = "phase"
    PLANNING = "planning"
    NOT_EXECUTED = "not_executed"
    PAUSED = "paused"
    NOT_RETRIED = "not_retried"
    QUEUED = "queued"
    NOT_BEFORE = "not_before"
    NO_WORKER = "no_worker"
    RUNNING = "running"
    CALL = "call"
    OVERDUE = "overdue"
    LEASE_OVER = "lease_over"
    PARTS = "parts"
    APPROVAL = "approval"
    BUDGET = "budget"
    UNQUEUED = "unqueued"


@dataclass(frozen=True, slots=True)
class Holder:
    """An unfinished task that holds another back."""

    task_id: str
    key: str
    phase: str
    status: str


@dataclass(frozen=True, slots=True)
class Holders:
    """Some of the tasks that hold a node back, and how many there are in all."""

    shown: tuple[Holder, ...] = ()
    total: int = 0


NOBODY: Final = Holders()


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """The worker that holds a subtask, as its row says; times are microseconds since 1970."""

    host: str
    heartbeat_at: int
    lease_until: int


@dataclass(frozen=True, slots=True)
class CallFacts:
    """A call in flight: begun under the present claim, and not recorded."""

    kind: str
    name: str
    begun_at: int


@dataclass(frozen=True, slots=True)
class PartFacts:
    """A delegated part that is not over."""

    id: str
    status: str


@dataclass(frozen=True, slots=True)
class SubtaskFacts:
    """The unfinished work of a task; `ahead` counts those that workers claim before it."""

    id: str
    status: str
    attempt: int
    max_attempts: int
    run_at: int
    is_attempt_open: bool = False  # a rate limit put it off: nothing has ended
    started_at: int | None = None
    deadline_at: int | None = None
    owner: str | None = None
    last_error: str | None = None
    ahead: int = 0
    worker: WorkerFacts | None = None
    calls: tuple[CallFacts, ...] = ()
    approvals: tuple[tuple[str, str], ...] = ()  # ids and questions
    waits_for_budget: bool = False
    parts: tuple[PartFacts, ...] = ()  # approvals and budget are theirs as well


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """An unfinished task; `feeds` hold it back by dependency, `phase` by the order of phases."""

    status: str
    subtask: SubtaskFacts | None = None
    feeds: Holders = NOBODY
    phase: Holders | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """What is true for all tasks: the moment, the project's state and the workers there are."""

    now_us: int
    project: str
    live_workers: int
    last_heartbeat_at: int | None
    budget: str = ""  # which of its limits are used up, and by how much


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: `at` is the moment it is about, in microseconds."""

    why: Why
    text: str
    holders: Holders = NOBODY
    at: int | None = None
    approval_id: str | None = None
    worker: str | None = None


BEFORE_WORK: Final = {
    ProjectState.PLANNING: Reason(Why.PLANNING, "the plan of the project is being written anew"),
    ProjectState.PLANNED: Reason(
        Why.NOT_EXECUTED, "the project is planned, and nobody has executed it"
    ),
    ProjectState.FAILED: Reason(
        Why.NOT_RETRIED, "the project has failed, and nobody has retried it"
    ),
    ProjectState.CANCELLED: Reason(
        Why.NOT_RETRIED, "the project was cancelled, and nobody has retried it"
    ),
}
"""In these states no task is queued: this comes before whatever else may hold one back."""
PAUSED: Final = Reason(Why.PAUSED, "the project is paused, and nobody has resumed it")


def reasons_for(task: TaskFacts, scene: Scene) -> list[Reason]:
    """List what an unfinished task waits for, the nearest first."""
    subtask = task.subtask
    if subtask is None:
        return _held_back(task, scene)
    if subtask.status == SubtaskState.WAITING:
        asked = [_asked(approval_id, question) for approval_id, question in subtask.approvals]
        short = [_unaffordable(scene)] if subtask.waits_for_budget else []
        return [*_split(subtask.parts), *asked, *short]
    if subtask.status == SubtaskState.RUNNING:
        return _running(subtask, scene)
    return _queued(subtask, scene)


def _held_back(task: TaskFacts, scene: Scene) -> list[Reason]:
    before = BEFORE_WORK.get(ProjectState(scene.project))
    if before is not None:
        return [before]
    found = _stopped(scene)
    if task.feeds.total:
        text = f"waits for {_names(task.feeds)}"
        found.append(Reason(Why.DEPENDENCIES, text, task.feeds))
    if task.phase is not None:
        found.append(Reason(Why.PHASE, _phase_words(task.phase), task.phase))
    if not found:
        text = "nothing holds it back, and it has not been queued: this is a fault of Nexus"
        found.append(Reason(Why.UNQUEUED, text))
    return found


def _stopped(scene: Scene) -> list[Reason]:
    """Nothing of a paused project is claimed, whatever else is ready for it."""
    return [PAUSED] if scene.project == ProjectState.PAUSED else []


def _phase_words(phase: Holders) -> str:
    if not phase.shown:
        return "waits until the phases before have ended"
    return f"waits until the phase {phase.shown[0].phase} has ended: {_names(phase)}"


def _names(holders: Holders) -> str:
    names = ", ".join(f"{one.key} ({one.status})" for one in holders.shown)
    more = holders.total - len(holders.shown)
    return f"{names} and {more:,} more" if more else names


def _asked(approval_id: str, question: str) -> Reason:
    text = f"waits for a person: {question}"
    return Reason(Why.APPROVAL, text, approval_id=approval_id)


def _split(parts: Sequence[PartFacts]) -> list[Reason]:
    if not parts:
        return []
    names = ", ".join(f"{one.id} ({one.status})" for one in parts[:SHOWN_PARTS])
    more = len(parts) - SHOWN_PARTS
    number = counted(len(parts), "delegated part")
    text = f"waits for {number}: {names}{f' and {more} more' if more > 0 else ''}"
    return [Reason(Why.PARTS, text)]


def _unaffordable(scene: Scene) -> Reason:
    if not scene.budget:
        return Reason(Why.BUDGET, "waits for calls in flight, which may leave room in the budget")
    text = f"waits for the project's budget: {scene.budget}; raise it, then resume the project"
    return Reason(Why.BUDGET, text)


def _queued(subtask: SubtaskFacts, scene: Scene) -> list[Reason]:
    found = _stopped(scene)
    if subtask.run_at > scene.now_us:
        after = f", after: {subtask.last_error}" if subtask.last_error else ""
        tried = f"attempt {subtask.attempt} of {subtask.max_attempts} has ended{after}"
        if subtask.is_attempt_open:
            tried = subtask.last_error or "it was put off"
        text = f"not before {rfc3339(subtask.run_at)}: {tried}"
        found.append(Reason(Why.NOT_BEFORE, text, at=subtask.run_at))
    if scene.project == ProjectState.PAUSED:
        return found
    if not scene.live_workers:
        found.append(_no_worker(scene))
    elif not found:
        text = f"queued: {counted(subtask.ahead, 'due subtask')} before it"
        found.append(Reason(Why.QUEUED, text))
    return found


def _no_worker(scene: Scene) -> Reason:
    last = scene.last_heartbeat_at
    since = f"the last heartbeat was at {rfc3339(last)}" if last else "there has been none lately"
    return Reason(Why.NO_WORKER, f"queued, and no worker is alive: {since}", at=last)


def _running(subtask: SubtaskFacts, scene: Scene) -> list[Reason]:
    worker = subtask.worker
    if worker is None:
        text = f"its worker {subtask.owner} is not known any more; it goes back to the queue"
        return [_lost(subtask, text, None, scene)]
    if worker.lease_until <= scene.now_us:
        text = (
            f"the lease of its worker {subtask.owner} on {worker.host} ended at "
            f"{rfc3339(worker.lease_until)}; it goes back to the queue"
        )
        return [_lost(subtask, text, worker.lease_until, scene)]
    ago = max(0, scene.now_us - worker.heartbeat_at) / 1_000_000
    text = (
        f"runs on {subtask.owner} on {worker.host}, attempt {subtask.attempt} of "
        f"{subtask.max_attempts}; last heartbeat {ago:.1f} s ago, lease until "
        f"{rfc3339(worker.lease_until)}"
    )
    found = [Reason(Why.RUNNING, text, at=worker.lease_until, worker=subtask.owner)]
    for call in subtask.calls[:SHOWN_CALLS]:
        words = f"waits for the {call.kind} {call.name} since {rfc3339(call.begun_at)}"
        found.append(Reason(Why.CALL, words, at=call.begun_at))
    if subtask.deadline_at is not None and subtask.deadline_at < scene.now_us:
        words = f"its time limit was over at {rfc3339(subtask.deadline_at)}; it is being ended"
        found.append(Reason(Why.OVERDUE, words, at=subtask.deadline_at))
    return found


def _lost(subtask: SubtaskFacts, text: str, at: int | None, scene: Scene) -> Reason:
    nobody = "" if scene.live_workers else " as soon as a worker is alive"
    return Reason(Why.LEASE_OVER, text + nobody, at=at, worker=subtask.owner)


def counted(number: int, noun: str) -> str:
    """Write a number and what it counts."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
