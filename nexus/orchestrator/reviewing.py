"""Outputs under review: judged, revised at most twice, and then accepted, handed over or refused.

Called when work that is to be reviewed is settled, and when its review is. Invariant: a task
with a review has exactly one subtask at work until it is over, and it succeeds only in the
transaction that settles a verdict: an acceptance, or the last rejection where its plan says
so. A review that comes to no usable verdict is a failed attempt.
"""

from typing import Final

from nexus.domain.seam import Json
from nexus.domain.states import SubtaskState, TaskState
from nexus.domain.text import clean
from nexus.domain.verdict import MAX_TOLD, Verdict, told, with_findings
from nexus.models.writing import Transaction
from nexus.orchestrator.queueing import Queued, Share, queue_tasks
from nexus.orchestrator.replanning import fail_task
from nexus.orchestrator.transitions.ending import count_down
from nexus.orchestrator.transitions.offshoots import (
    Stage,
    point_to,
    queue_review,
    queue_revision,
    read_stage,
)
from nexus.orchestrator.transitions.subtasks import Held, finish_subtasks, subject_of
from nexus.orchestrator.transitions.tasks import finish_tasks
from nexus.orchestrator.turn import Subject, Turn

MOST_REVISIONS: Final = 2
MAX_MESSAGE: Final = 1_500
MAX_FINDING: Final = 500


def submit(turn: Turn, held: Held, output: str) -> Transaction[bool]:
    """Let work succeed and queue its review; False if the claim is not held any more."""
    rows = yield from finish_subtasks(turn, [(held, output)], SubtaskState.SUCCEEDED)
    if not rows:
        return False
    yield from queue_review(turn, subject_of(rows[0]))
    return True


def settle_verdict(
    turn: Turn, held: Held, verdict: Verdict, share: Share
) -> Transaction[Queued | None]:
    """Settle a review; None if the claim is not held any more."""
    stage = yield from read_stage(held.subtask_id)
    if stage is None:
        return None  # its project is gone
    is_last = stage.round >= MOST_REVISIONS
    is_handed_over = not verdict.accepted and is_last and stage.on_rejection == "deliver"
    text = with_findings(stage.output, verdict) if is_handed_over else verdict.model_dump_json()
    rows = yield from finish_subtasks(turn, [(held, clean(text))], SubtaskState.SUCCEEDED)
    if not rows:
        return None
    review = subject_of(rows[0])
    _tell(turn, review, stage, verdict)
    if is_handed_over:
        yield from point_to(review.task_id or "", held.subtask_id)
    if verdict.accepted or is_handed_over:
        ended = yield from finish_tasks(turn, [review], TaskState.SUCCEEDED)
        freed = yield from count_down([(row[1], row[2]) for row in ended])
        return (yield from queue_tasks(turn, freed, share))
    if is_last:
        yield from _refuse(turn, review, stage, verdict)
    else:
        yield from queue_revision(turn, review, stage)
    return Queued()


def _tell(turn: Turn, review: Subject, stage: Stage, verdict: Verdict) -> None:
    """Tell whoever watches what the review came to, with what was not met."""
    findings: list[Json] = [clean(one.line())[:MAX_FINDING] for one in verdict.unmet[:MAX_TOLD]]
    turn.tell(
        review,
        "task.reviewed",
        key=stage.key,
        accepted=verdict.accepted,
        round=stage.round + 1,
        findings=findings,
    )


def _refuse(turn: Turn, review: Subject, stage: Stage, verdict: Verdict) -> Transaction[None]:
    """Fail a task whose output was rejected for the last time."""
    error: dict[str, Json] = {
        "code": "rejected",
        "message": clean(
            f"the review rejected the output of {stage.key} {stage.round + 1} times; "
            f"not met: {told(verdict)}"
        )[:MAX_MESSAGE],
        "task_id": review.task_id,
        "hint": "make the task smaller or its criteria clearer, or let on_rejection be deliver",
    }
    yield from fail_task(turn, review, error)
