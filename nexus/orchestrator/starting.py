"""A planned project begins to run: at once, or when a person has approved of its plan."""

from nexus.domain.consent import Ask, AskKind, Policy
from nexus.domain.states import ProjectState
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.asking import add_approval
from nexus.orchestrator.planting import ready_tasks
from nexus.orchestrator.queueing import NO_SHARE, Queued, Share, queue_tasks
from nexus.orchestrator.transitions.projects import move_project
from nexus.orchestrator.turn import Subject, Turn


def start(turn: Turn, project: Subject, share: Share = NO_SHARE) -> Transaction[Queued]:
    """Move a planned project to running and queue what is ready."""
    yield from move_project(turn, project, ProjectState.RUNNING, "project.started")
    ready = yield from ready_tasks(project.project_id)
    return (yield from queue_tasks(turn, ready, share))


def start_unless_asked(
    turn: Turn, project: Subject, share: Share = NO_SHARE
) -> Transaction[Queued]:
    """Start a project that is to run by itself; where everything needs approval, ask first."""
    rows = yield Query(
        "SELECT approvals, plan_version, tasks_total FROM projects WHERE id = $1",
        (project.project_id,),
    )
    policy, version, tasks = rows[0]
    if policy != Policy.ALL:
        return (yield from start(turn, project, share))
    question = (
        f"Shall the plan be executed? It is version {version} and has {tasks} tasks. "
        "A rejection has it planned anew, as its comment says."
    )
    yield from add_approval(turn, project, None, Ask(AskKind.PLAN, question))
    return Queued()
