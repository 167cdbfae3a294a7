"""Whether a caller may start a plan that is put to a person; used by what sets projects in motion."""

from collections.abc import Collection
from typing import Final

from nexus.domain.states import ProjectState
from nexus.errors import Forbidden
from nexus.models.writing import Transaction
from nexus.orchestrator.steering import is_plan_unapproved
from nexus.services.caller import Caller, Scope

OVER: Final = (ProjectState.FAILED, ProjectState.CANCELLED)


def check_consent(
    caller: Caller, project_id: str, states: Collection[ProjectState]
) -> Transaction[None]:
    """Refuse to start a plan that nobody has approved of, for a caller who may not approve.

    Args:
        states: those from which what is asked for starts a plan.

    Raises:
        NotFound: no such project.
        Forbidden: the plan was put to a person, and the key lacks the scope `approve`.
    """
    if Scope.APPROVE in caller.scopes:
        return
    if (yield from is_plan_unapproved(caller.workspace, project_id, states)):
        raise Forbidden(
            "this key may not approve, and the plan of this project needs approval before it runs",
            code="missing_scope",
            hint="use a key with the scope approve, and answer the question in GET /approvals",
        )
