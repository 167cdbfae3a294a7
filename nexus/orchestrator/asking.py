"""Questions to a person about calls that were interrupted: asked, decided, used, expired.

An interrupted call of a tool that declares itself unsafe may have taken effect, so the
engine never makes it again by itself. The decision is written into the journal in the
transaction that takes it; replay finds it there and asks nobody again.
"""

from dataclasses import dataclass
from typing import Final

from nexus.domain.clock import rfc3339
from nexus.domain.ids import new_id
from nexus.domain.seam import Effect, Json
from nexus.domain.text import clean, dumps
from nexus.errors import Conflict, Fenced, NotFound
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.queueing import announce_project, announce_subtasks
from nexus.orchestrator.transitions.calls import still_held
from nexus.orchestrator.transitions.subtasks import Held
from nexus.orchestrator.transitions.waiting import suspend_subtask, wake_subtask
from nexus.orchestrator.turn import Subject, Turn, lock_projects, lock_projects_of

INTERRUPTED_CALL: Final = "interrupted_call"
"""The one kind of question there is today."""


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


def ask(turn: Turn, held: Held) -> Transaction[bool]:
    """Put every interrupted unsafe call of a claim to a person, and let the subtask wait.

    All at once: a call that is made while another is asked about would be interrupted
    by the very asking. Returns False when there is nothing to ask.

    Raises:
        Fenced: the claim is not held any more; nothing was asked.
    """
    yield from lock_projects_of([held.subtask_id])
    _, workspace, project_id, task_id, attempt, _ = yield from _check_held(held)
    calls = yield Query(
        "SELECT number, kind, name FROM journal WHERE subtask_id = $1 AND status = 'begun' "
        "AND effect = $2 AND claim < $3 ORDER BY number",
        (held.subtask_id, Effect.UNSAFE.value, held.claim),
    )
    if not calls:
        return False
    of = yield from _task_words(task_id)
    subject = Subject(project_id or "", workspace, task_id, held.subtask_id, attempt)
    asked: list[str] = []
    for number, kind, name in calls:
        question = (
            f"The {kind} {name}{of} was interrupted and may have taken effect. "
            "Shall it be called again?"
        )
        asked.append((yield from _add(turn, subject, number, question)))
    yield from suspend_subtask(turn, held, f"approval {', '.join(asked)}")
    return True


def _task_words(task_id: str | None) -> Transaction[str]:
    rows = yield Query("SELECT key FROM tasks WHERE id = $1", (task_id,))
    return f" of the task {rows[0][0]}" if rows else ""


def _add(turn: Turn, subject: Subject, number: int, question: str) -> Transaction[str]:
    approval_id = new_id("apr")
    yield Query(
        "INSERT INTO approvals (id, workspace, kind, project_id, task_id, subtask_id, number, "
        "question, status, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', NOW_US())",
        (
            approval_id,
            subject.workspace,
            INTERRUPTED_CALL,
            subject.project_id or None,
            subject.task_id,
            subject.subtask_id,
            number,
            question,
        ),
    )
    if subject.project_id:
        turn.tell(subject, "approval.requested", approval_id=approval_id, question=question)
    return approval_id


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
        "RETURNING project_id, task_id, subtask_id, number",
        (approval_id, decision.word, dumps(decision.document()), decision.decided_by),
    )
    if not decided:
        yield from _refuse(approval_id)
    project_id, task_id, subtask_id, number = decided[0]
    if project_id:
        subject = Subject(project_id, workspace, task_id, subtask_id)
        word = "approve" if decision.approve else "reject"
        turn.tell(subject, "approval.decided", approval_id=approval_id, decision=word)
    yield from _enter(approval_id, subtask_id, number, decision)
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
            hint="see what the call did; a retry of the project does not make it again",
        )
    raise Conflict(
        f"this approval was {status} at {rfc3339(decided_at)}; it is decided once",
        code="already_decided",
        hint="GET /approvals/{id} shows the decision",
    )


def _enter(approval_id: str, subtask_id: str, number: int, decision: Decision) -> Transaction[None]:
    """Write a decision into the journal; what needs no call is used up at once."""
    if decision.approve and not decision.gives_value:
        yield Query(
            "UPDATE journal SET status = 'approved' "
            "WHERE subtask_id = $1 AND number = $2 AND status = 'begun'",
            (subtask_id, number),
        )
        return
    rows = yield Query(
        "SELECT name FROM journal WHERE subtask_id = $1 AND number = $2", (subtask_id, number)
    )
    result = decision.value if decision.approve else {"error": _refusal(rows[0], decision)}
    yield Query(
        "UPDATE journal SET status = $3, outcome = $4, result = $5, recorded_at = NOW_US() "
        "WHERE subtask_id = $1 AND number = $2 AND status = 'begun'",
        (
            subtask_id,
            number,
            "recorded" if decision.approve else "rejected",
            "told" if decision.approve else "rejected",
            dumps(result),
        ),
    )
    yield Query("UPDATE approvals SET used_at = NOW_US() WHERE id = $1", (approval_id,))


def _refusal(call: Row, decision: Decision) -> str:
    """What the agent reads instead of a result."""
    said = f": {clean(decision.comment)}" if decision.comment else ""
    return (
        f"{call[0]} was not called again. It was interrupted and may have taken effect, "
        f"and a person decided against repeating it{said}"
    )


def renew(held: Held, number: int) -> Transaction[None]:
    """Commit the intent of an approved call, which uses its approval up.

    Harmless to repeat under the same claim. Interrupted once more, it is asked about anew.

    Raises:
        Fenced: the claim is not held any more; the call must not be made.
    """
    yield from _check_held(held)
    renewed = yield Query(
        "UPDATE journal SET status = 'begun', claim = $3, begun_at = NOW_US() "
        "WHERE subtask_id = $1 AND number = $2 "
        "AND (status = 'approved' OR (status = 'begun' AND claim = $3)) RETURNING number",
        (held.subtask_id, number, held.claim),
    )
    if not renewed:
        raise Fenced(f"call {number} of {held.subtask_id} is not approved any more")
    yield Query(
        "UPDATE approvals SET used_at = NOW_US() WHERE subtask_id = $1 AND number = $2 "
        "AND status = 'approved' AND used_at IS NULL",
        (held.subtask_id, number),
    )


def expire_approvals(turn: Turn, project: Subject) -> Transaction[None]:
    """End what was asked for a project that is being cancelled."""
    rows = yield Query(
        "UPDATE approvals SET status = 'expired', decided_at = NOW_US() "
        "WHERE project_id = $1 AND status = 'pending' RETURNING id, task_id, subtask_id",
        (project.project_id,),
    )
    for approval_id, task_id, subtask_id in sorted(rows, key=_id):
        subject = Subject(project.project_id, project.workspace, task_id, subtask_id)
        turn.tell(subject, "approval.decided", approval_id=approval_id, decision="expired")


def _id(row: Row) -> str:
    return str(row[0])


def _check_held(held: Held) -> Transaction[Row]:
    """Lock the subtask's row; return (id, workspace, project, task, attempt, claim).

    Raises:
        Fenced: the claim is not held any more.
    """
    row = (yield from still_held([held])).get(held)
    if row is None:
        raise Fenced(f"the claim on {held.subtask_id} is not held any more")
    return row
