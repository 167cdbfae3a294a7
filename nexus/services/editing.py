"""A person changes what is left of a project's plan: by a plan, or by what they want of the manager."""

from nexus.domain.plan import Plan
from nexus.errors import PreconditionFailed
from nexus.models.writing import Transaction
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.turn import Turn
from nexus.schemas.projects import Moved
from nexus.services.caller import Caller
from nexus.services.consent import OVER, check_consent
from nexus.services.idempotency import Answer, Once
from nexus.services.project_view import read_project


async def put_plan(
    engine: WorkflowEngine, caller: Caller, project_id: str, plan: Plan, expected: int | None
) -> int:
    """Put a plan in the place of a project's; return its version.

    Raises:
        NotFound, Conflict: no such project, or its plan cannot be changed now.
        PreconditionFailed: its plan is not of the version `expected`.
        InvalidInput: the plan cannot run, or changes what is finished or at work.
    """
    workspace = caller.workspace
    return await engine.run(
        lambda turn: engine.edit_plan(turn, workspace, project_id, plan, expected), "steer"
    )


async def replan_project(
    engine: WorkflowEngine, caller: Caller, project_id: str, comment: str | None, once: Once
) -> Answer:
    """Let the manager agent amend what is left of a project's plan.

    Raises:
        Conflict: it has no plan, is paused, has succeeded, or is being amended already.
        Forbidden: it runs its plan at once, which was put to a person and never ran, and the
            caller may not approve.
    """

    def act(turn: Turn) -> Transaction[Answer]:
        yield from check_consent(caller, project_id, OVER)
        yield from engine.replan(turn, caller.workspace, project_id, comment)
        shown = yield from read_project(caller.workspace, project_id)
        moved = Moved(project_id=project_id, status=shown.status)
        return Answer(202, moved.model_dump_json())

    return await engine.run(lambda turn: once.wrap(lambda: act(turn)), "steer")


def version_of(if_match: str | None) -> int | None:
    """Read the version an If-Match header asks for; None for any.

    Raises:
        PreconditionFailed: it is no ETag of a plan.
    """
    text = (if_match or "*").strip().removeprefix("W/").strip('"')
    if text == "*":
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise PreconditionFailed(
            "If-Match names no version of a plan",
            hint="send the ETag that GET /projects/{id}/plan answered with",
        )
    return int(text)
