"""What a person may do to a run; one claim and one settlement as a worker's desk writes them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from nexus.errors import EngineError
from nexus.models.writing import Transaction
from nexus.orchestrator import creating, steering
from nexus.orchestrator.batch import Claim, Settle, Wish, write_batch
from nexus.orchestrator.claiming import Claimed
from nexus.orchestrator.material import Recall
from nexus.orchestrator.outcomes import Outcome
from nexus.orchestrator.queueing import Share
from nexus.orchestrator.transitions.subtasks import Held
from nexus.orchestrator.turn import Turn

ACTS: dict[str, tuple[tuple[str, ...], Callable[..., Any]]] = {
    "execute": (("planned",), steering.execute),
    "pause": (("running", "waiting"), steering.pause),
    "resume": (("paused",), steering.resume),
    "cancel": (("planning", "planned", "running", "waiting", "paused"), steering.cancel),
    "retry": (("failed", "cancelled"), steering.retry),
    "delete": (
        ("planned", "paused", "succeeded", "failed", "cancelled"),
        lambda turn, *place: creating.delete_project(*place),
    ),
}
"""What a person may do, and from which states."""


def claim(turn: Turn, worker_id: str, subtask_ids: Sequence[str]) -> Transaction[list[Claimed]]:
    """Claim those that are still queued and due."""
    return (yield from _write(turn, worker_id, Claim(tuple(subtask_ids)), None))


def settle(turn: Turn, held: Held, outcome: Outcome, share: Share) -> Transaction[list[Claimed]]:
    """Settle one claim; return what is taken over, at most the share's free slots.

    Raises:
        Fenced: the claim is not held any more.
    """
    # A desk counts the slot that the settlement itself sets free on top.
    mine = replace(share.without(1), worker_id=held.owner) if share.free_slots else None
    return (yield from _write(turn, held.owner, Settle(held, outcome, 0), mine))


def _write(
    turn: Turn, worker_id: str, wish: Wish, share: Share | None
) -> Transaction[list[Claimed]]:
    (answer,) = yield from write_batch(turn, worker_id, [wish], share, Recall())
    if isinstance(answer, EngineError):
        raise answer
    return answer
