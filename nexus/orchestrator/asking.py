"""Questions to a person about calls: asked, used, expired; `deciding.py` takes the answers.

An interrupted call of a tool that declares itself unsafe may have taken effect, so the
engine never makes it again by itself; others are asked about before they are made at all.
"""

from nexus.domain.consent import Ask, AskKind
from nexus.domain.ids import new_id
from nexus.domain.seam import Effect
from nexus.domain.text import clean
from nexus.errors import Fenced
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.recording import Intent, write_later
from nexus.orchestrator.transitions.calls import still_held
from nexus.orchestrator.transitions.subtasks import Held
from nexus.orchestrator.transitions.waiting import suspend_subtask
from nexus.orchestrator.turn import Subject, Turn, lock_projects_of


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
        about = Ask(AskKind.INTERRUPTED_CALL, question)
        asked.append((yield from add_approval(turn, subject, number, about)))
    yield from suspend_subtask(turn, held, f"approval {', '.join(asked)}")
    return True


def _task_words(task_id: str | None) -> Transaction[str]:
    rows = yield Query("SELECT key FROM tasks WHERE id = $1", (task_id,))
    return f" of the task {rows[0][0]}" if rows else ""


def ask_first(turn: Turn, held: Held, intent: Intent, what: Ask) -> Transaction[None]:
    """Put a call to a person before it is made, and let the subtask wait.

    Harmless to repeat. What of the same run was under way is interrupted by it.

    Raises:
        Fenced: the claim is not held any more; nothing was asked.
    """
    yield from lock_projects_of([held.subtask_id])
    _, workspace, project_id, task_id, attempt, _ = yield from _check_held(held)
    yield from write_later(held, workspace, intent, "asked")
    subject = Subject(project_id or "", workspace, task_id, held.subtask_id, attempt)
    pending = yield Query(
        "SELECT id FROM approvals WHERE subtask_id = $1 AND number = $2 AND status = 'pending'",
        (held.subtask_id, intent.number),
    )
    asked = pending[0][0] if pending else None
    if asked is None:
        asked = yield from add_approval(turn, subject, intent.number, what)
    yield from suspend_subtask(turn, held, f"approval {asked}")


def add_approval(turn: Turn, subject: Subject, number: int | None, what: Ask) -> Transaction[str]:
    """Store a question to a person and tell of it; `number` is the journal record it is about."""
    approval_id = new_id("apr")
    yield Query(
        "INSERT INTO approvals (id, workspace, kind, project_id, task_id, subtask_id, number, "
        "question, status, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', NOW_US())",
        (
            approval_id,
            subject.workspace,
            what.kind.value,
            subject.project_id or None,
            subject.task_id,
            subject.subtask_id,
            number,
            clean(what.question),
        ),
    )
    if subject.project_id:
        question = clean(what.question)
        turn.tell(subject, "approval.requested", approval_id=approval_id, question=question)
    return approval_id


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
    """End what was asked for a project, and nobody is to answer any more."""
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
