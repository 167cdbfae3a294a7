"""Decisions of a person on what was put to them: taken once, written where they take effect.

That on a call is written into the journal in the transaction that takes it; replay finds it
there and asks nobody again. That on a plan starts the project or has it planned anew.
"""

from dataclasses import dataclass
from typing import Final

from nexus.domain.clock import rfc3339
from nexus.domain.consent import AskKind
from nexus.domain.seam import Json
from nexus.domain.states import ProjectState
from nexus.domain.text import clean, dumps
from nexus.errors import Conflict, NotFound
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.queueing import announce_project, announce_subtasks
from nexus.orchestrator.replanning import plan_anew, queue_replan
from nexus.orchestrator.starting import start
from nexus.orchestrator.transitions.waiting import wake_subtask
from nexus.orchestrator.turn import Subject, Turn, lock_projects


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided; `gives_value`: `value` is the call's result, and it is not made."""

    approve: bool
    decided_by: str
    comment: str | None = None
    gives_value: bool = False
    value: Json = None

    @property
    def word(self) -> str:
        """The status an approval gets by it."""
        return "approved" if self.approve else "rejected"

    def document(self) -> dict[str, Json]:
        """Write it as it is kept and shown."""
        shown: dict[str, Json] = {
            "decision": "approve" if self.approve else "reject",
            "comment": self.comment,
        }
        return {**shown, "value": self.value} if self.gives_value else shown


def decide(turn: Turn, workspace: str, approval_id: str, decision: Decision) -> Transaction[None]:
    """Take a person's decision, once; the subtask goes on when nothing else is asked about it.

    Raises:
        NotFound: no such approval in this workspace.
        Conflict: it was decided before, or has expired.
    """
    rows = yield Query(
        "SELECT project_id FROM approvals WHERE id = $1 AND workspace = $2",
        (approval_id, workspace),
    )
    if not rows:
        raise NotFound("no such approval", hint="list them with GET /approvals")
    if rows[0][0]:
        yield from lock_projects([rows[0][0]])
    decided = yield Query(
        "UPDATE approvals SET status = $2, decision = $3, decided_by = $4, decided_at = NOW_US() "
        "WHERE id = $1 AND status = 'pending' "
        "RETURNING kind, project_id, task_id, subtask_id, number",
        (approval_id, decision.word, dumps(decision.document()), decision.decided_by),
    )
    if not decided:
        yield from _refuse(approval_id)
    kind, project_id, task_id, subtask_id, number = decided[0]
    if project_id:
        subject = Subject(project_id, workspace, task_id, subtask_id)
        word = "approve" if decision.approve else "reject"
        turn.tell(subject, "approval.decided", approval_id=approval_id, decision=word)
    if kind == AskKind.PLAN:
        yield from _move_on(turn, Subject(project_id, workspace), approval_id, decision)
        return
    yield from _enter(approval_id, Asked(AskKind(kind), subtask_id, number), decision)
    yield from _go_on(turn, project_id, subtask_id)


def _go_on(turn: Turn, project_id: str | None, subtask_id: str) -> Transaction[None]:
    """Queue a subtask about which nothing is asked any more.

    Raises:
        Conflict: it does not wait.
    """
    pending = yield Query(
        "SELECT 1 FROM approvals WHERE subtask_id = $1 AND status = 'pending' LIMIT 1",
        (subtask_id,),
    )
    if pending:
        return
    if not (yield from wake_subtask(turn, subtask_id)):
        raise Conflict(
            "what this approval was asked for does not wait any more", code="approval_expired"
        )
    if project_id:
        yield from announce_project(turn, project_id)
    else:
        yield from announce_subtasks(turn, [subtask_id])


def _refuse(approval_id: str) -> Transaction[None]:
    """Say why an approval cannot be decided.

    Raises:
        Conflict, NotFound: always.
    """
    rows = yield Query("SELECT status, decided_at FROM approvals WHERE id = $1", (approval_id,))
    if not rows:
        raise NotFound("no such approval", hint="list them with GET /approvals")
    status, decided_at = rows[0]
    if status == "expired":
        raise Conflict(
            "this approval expired: its project was cancelled before anybody decided",
            code="approval_expired",
            hint="see what the call did; a retry of the project asks about it again",
        )
    raise Conflict(
        f"this approval was {status} at {rfc3339(decided_at)}; it is decided once",
        code="already_decided",
        hint="GET /approvals/{id} shows the decision",
    )


def _move_on(
    turn: Turn, project: Subject, approval_id: str, decision: Decision
) -> Transaction[None]:
    """Start a project whose plan was approved, or have it planned anew.

    Raises:
        Conflict: it is not planned any more.
    """
    rows = yield Query(
        "SELECT status, plan_version FROM projects WHERE id = $1", (project.project_id,)
    )
    status, version = rows[0]
    if status != ProjectState.PLANNED:
        raise Conflict(f"the project is {status}: nobody waits for this", code="approval_expired")
    yield Query("UPDATE approvals SET used_at = NOW_US() WHERE id = $1", (approval_id,))
    if decision.approve:
        yield from start(turn, project)
        return
    yield from plan_anew(turn, project, version, decision.comment)
    yield from queue_replan(turn, project, "requested", decision.comment)


@dataclass(frozen=True, slots=True)
class Asked:
    """The call a question is about."""

    kind: AskKind
    subtask_id: str
    number: int


def _enter(approval_id: str, asked: Asked, decision: Decision) -> Transaction[None]:
    """Write a decision into the journal; what needs no call is used up at once."""
    is_answer = asked.kind is AskKind.QUESTION
    place = (asked.subtask_id, asked.number)
    if decision.approve and not (decision.gives_value or is_answer):
        yield Query(
            "UPDATE journal SET status = 'approved' "
            "WHERE subtask_id = $1 AND number = $2 AND status IN ('begun', 'asked')",
            place,
        )
        return
    rows = yield Query("SELECT name FROM journal WHERE subtask_id = $1 AND number = $2", place)
    yield Query(
        "UPDATE journal SET status = $3, outcome = $4, result = $5, recorded_at = NOW_US() "
        "WHERE subtask_id = $1 AND number = $2 AND status IN ('begun', 'asked')",
        (
            *place,
            "recorded" if decision.approve else "rejected",
            "told" if decision.approve else "rejected",
            dumps(_result(rows[0], asked.kind, decision)),
        ),
    )
    yield Query("UPDATE approvals SET used_at = NOW_US() WHERE id = $1", (approval_id,))


def _result(call: Row, kind: AskKind, decision: Decision) -> Json:
    """What the agent reads instead of a result."""
    said = clean(decision.comment) if decision.comment else ""
    if decision.approve:
        return decision.value if decision.gives_value else said or "Yes."
    return {"error": REFUSALS[kind].format(name=call[0]) + (f": {said}" if said else "")}


REFUSALS: Final = {
    AskKind.INTERRUPTED_CALL: "{name} was not called again. It was interrupted and may have taken "
    "effect, and a person decided against repeating it",
    AskKind.TOOL_CALL: "{name} was not called: a person decided against it",
    AskKind.QUESTION: "the person who was asked does not answer",
}
