"""A planned project begins to run: at once, or when a person has approved of its plan."""

from dataclasses import dataclass

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
    """Start a planned project that is to run by itself; where everything needs approval, ask first."""
    wish = yield from _read_wish(project)
    if not wish.is_to_run:
        return Queued()
    if wish.is_to_be_asked:
        yield from _ask(turn, project, wish, "")
        return Queued()
    return (yield from start(turn, project, share))


def ask_about_plan(turn: Turn, project: Subject, lead: str = "") -> Transaction[None]:
    """Ask about the plan of a planned project that waits for nothing but approval; start nothing.

    Args:
        lead: what is said before the question.
    """
    wish = yield from _read_wish(project)
    if wish.is_to_run and wish.is_to_be_asked:
        yield from _ask(turn, project, wish, lead)


@dataclass(frozen=True, slots=True)
class _Wish:
    """Whether a project runs as soon as it is planned, and whether somebody is asked before."""

    is_to_run: bool
    is_to_be_asked: bool
    version: int
    tasks: int


def _read_wish(project: Subject) -> Transaction[_Wish]:
    rows = yield Query(
        "SELECT auto_execute, approvals, plan_version, tasks_total FROM projects WHERE id = $1",
        (project.project_id,),
    )
    is_to_run, policy, version, tasks = rows[0]
    return _Wish(bool(is_to_run), policy == Policy.ALL, version, tasks)


def _ask(turn: Turn, project: Subject, wish: _Wish, lead: str) -> Transaction[None]:
    question = (
        f"{lead}Shall the plan be executed? It is version {wish.version} and has {wish.tasks} "
        "tasks. A rejection has it planned anew, as its comment says."
    )
    yield from add_approval(turn, project, None, Ask(AskKind.PLAN, question))
