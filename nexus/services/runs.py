"""A project's run: execute, pause, resume, cancel, retry, each once per Idempotency-Key."""

from collections.abc import Callable
from typing import NamedTuple

from nexus.domain.states import ProjectState
from nexus.models.writing import Transaction
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.turn import Turn
from nexus.schemas.projects import Moved, Started
from nexus.services.caller import Caller
from nexus.services.consent import OVER, check_consent
from nexus.services.idempotency import Answer, Once
from nexus.services.project_view import read_project


class Steered(NamedTuple):
    """A project that is to be moved: where, by whom, and once at most."""

    engine: WorkflowEngine
    caller: Caller
    project_id: str
    once: Once


async def execute_project(of: Steered) -> Answer:
    """Queue what a planned project can begin with.

    Raises:
        Conflict: it is not `planned`.
        Forbidden: its plan is put to a person, and the caller may not approve.
    """
    workspace = of.caller.workspace

    def act(turn: Turn) -> Transaction[Answer]:
        yield from check_consent(of.caller, of.project_id, [ProjectState.PLANNED])
        queued = yield from of.engine.dispatch(turn, workspace, of.project_id)
        project = yield from read_project(workspace, of.project_id)
        started = Started(project_id=of.project_id, status=project.status, queued=queued)
        return Answer(202, started.model_dump_json())

    return await of.engine.run(lambda turn: of.once.wrap(lambda: act(turn)), "steer")


async def cancel_project(of: Steered) -> Answer:
    """End a project; no effect begins after the answer.

    Raises:
        Conflict: it has ended already.
    """
    return await _move(of, of.engine.cancel)


async def pause_project(of: Steered) -> Answer:
    """Begin nothing new; what runs may finish.

    Raises:
        Conflict: it neither runs nor waits.
    """
    return await _move(of, of.engine.pause)


async def resume_project(of: Steered) -> Answer:
    """Let a paused project go on.

    Raises:
        Conflict: it is not paused.
    """
    return await _move(of, of.engine.resume)


async def retry_project(of: Steered) -> Answer:
    """Reopen what failed or was cancelled; finished work stays.

    Raises:
        Conflict: it neither failed nor was cancelled.
        Forbidden: its plan was put to a person and never ran, and the caller may not approve.
    """

    def retry(turn: Turn, workspace: str, project_id: str) -> Transaction[None]:
        yield from check_consent(of.caller, project_id, OVER)
        yield from of.engine.retry(turn, workspace, project_id)

    return await _move(of, retry)


async def _move(of: Steered, move: Callable[[Turn, str, str], Transaction[object]]) -> Answer:
    workspace = of.caller.workspace

    def act(turn: Turn) -> Transaction[Answer]:
        yield from move(turn, workspace, of.project_id)
        shown = yield from read_project(workspace, of.project_id)
        moved = Moved(project_id=of.project_id, status=shown.status)
        return Answer(202, moved.model_dump_json())

    return await of.engine.run(lambda turn: of.once.wrap(lambda: act(turn)), "steer")
