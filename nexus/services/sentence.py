"""What a project waits for in one sentence, said from facts alone; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from nexus.domain.clock import rfc3339
from nexus.domain.states import ProjectState
from nexus.services.reasons import Reason, Scene, counted


@dataclass(frozen=True, slots=True)
class Standing:
    """How many tasks of a project are in which state; `later`: queued and not due yet."""

    running: int = 0
    due: int = 0
    later: int = 0
    waiting: int = 0
    blocked: int = 0
    next_run_at: int | None = None
    approvals: int = 0
    error: str | None = None


def sentence_for(scene: Scene, standing: Standing, planning: Sequence[Reason]) -> str:
    """Say in one sentence what a project waits for.

    Args:
        planning: the reasons of the work on its plan, while it is planned.
    """
    if scene.project == ProjectState.PLANNING:
        return f"its plan is being written: {planning[0].text}" if planning else "it is planned"
    fixed = {
        ProjectState.PLANNED: "it is planned, and waits until somebody executes it",
        ProjectState.PAUSED: "it is paused, and waits until somebody resumes it",
        ProjectState.SUCCEEDED: "it has succeeded",
        ProjectState.CANCELLED: "it was cancelled",
        ProjectState.FAILED: f"it has failed: {standing.error}",
    }
    return fixed.get(ProjectState(scene.project)) or _at_work(scene, standing)


def _at_work(scene: Scene, standing: Standing) -> str:
    asked = counted(standing.approvals, "approval")
    if scene.project == ProjectState.WAITING and standing.approvals:
        return f"it waits for a person: {asked} to decide"
    if scene.project == ProjectState.WAITING:
        return f"it waits for its budget: {scene.budget or 'raised, and to be resumed'}"
    if standing.running:
        text = f"{counted(standing.running, 'task')} running, {_rest(standing)}"
    elif standing.due and not scene.live_workers:
        text = f"nothing moves: {counted(standing.due, 'task')} due, and no worker is alive"
    elif standing.due:
        text = f"{counted(standing.due, 'task')} due and not taken by a worker yet"
    elif standing.later:
        at = rfc3339(standing.next_run_at)
        text = f"{counted(standing.later, 'task')} tried again later, the next not before {at}"
    else:
        text = f"nothing of it runs or is queued; {_rest(standing)}"
    return f"{text}; {asked} to decide" if standing.approvals else text


def _rest(standing: Standing) -> str:
    queued = standing.due + standing.later
    return f"{queued:,} queued, {standing.waiting:,} waiting, {standing.blocked:,} held back"
