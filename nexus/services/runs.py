"""A project's run: execute, pause, resume, cancel, retry, each once per Idempotency-Key."""

from collections.abc import Callable

from nexus.models.writing import Transaction
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.turn import Turn
from nexus.schemas.projects import Moved, Started
from nexus.services.caller import Caller
from nexus.services.idempotency import Answer, Once
from nexus.services.project_view import read_project


async def execute_project(
    engine: WorkflowEngine, caller: Caller, project_id: str, once: Once
) -> Answer:
    """Queue what a planned project can begin with.

    Raises:
        Conflict: it is not `planned`.
    """

    def act(turn: Turn) -> Transaction[Answer]:
        queued = yield from engine.dispatch(turn, caller.workspace, project_id)
        project = yield from read_project(caller.workspace, project_id)
        started = Started(project_id=project_id, status=project.status, queued=queued)
        return Answer(202, started.model_dump_json())

    return await engine.run(lambda turn: once.wrap(lambda: act(turn)), "steer")


async def cancel_project(
    engine: WorkflowEngine, caller: Caller, project_id: str, once: Once
) -> Answer:
    """End a project; no effect begins after the answer.

    Raises:
        Conflict: it has ended already.
    """
    return await _move(engine, (caller.workspace, project_id), engine.cancel, once)


async def pause_project(
    engine: WorkflowEngine, caller: Caller, project_id: str, once: Once
) -> Answer:
    """Begin nothing new; what runs may finish.

    Raises:
        Conflict: it neither runs nor waits.
    """
    return await _move(engine, (caller.workspace, project_id), engine.pause, once)


async def resume_project(
    engine: WorkflowEngine, caller: Caller, project_id: str, once: Once
) -> Answer:
    """Let a paused project go on.

    Raises:
        Conflict: it is not paused.
    """
    return await _move(engine, (caller.workspace, project_id), engine.resume, once)


async def retry_project(
    engine: WorkflowEngine, caller: Caller, project_id: str, once: Once
) -> Answer:
    """Reopen what failed or was cancelled; finished work stays.

    Raises:
        Conflict: it neither failed nor was cancelled.
    """
    return await _move(engine, (caller.workspace, project_id), engine.retry, once)


async def _move(
    engine: WorkflowEngine,
    project: tuple[str, str],
    move: Callable[[Turn, str, str], Transaction[object]],
    once: Once,
) -> Answer:
    workspace, project_id = project

    def act(turn: Turn) -> Transaction[Answer]:
        yield from move(turn, workspace, project_id)
        shown = yield from read_project(workspace, project_id)
        moved = Moved(project_id=project_id, status=shown.status)
        return Answer(202, moved.model_dump_json())

    return await engine.run(lambda turn: once.wrap(lambda: act(turn)), "steer")
