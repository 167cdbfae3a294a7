"""The hot writes of one worker as one transaction: records, intents, settlements, claims.

Whoever waits gets an answer of its own: a member whose claim is gone is told so and takes
nothing of its neighbours with it. The number of statements does not grow with the members.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nexus.errors import Fenced, OverBudget
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.budgeting import keep_to_budgets, place_of
from nexus.orchestrator.claiming import Claimed, claim_locked
from nexus.orchestrator.material import Recall
from nexus.orchestrator.outcomes import Outcome
from nexus.orchestrator.queueing import NO_SHARE, Share
from nexus.orchestrator.recording import Begin, Done, write_down_calls
from nexus.orchestrator.settling import settle_problem, settle_well
from nexus.orchestrator.transitions.subtasks import Held
from nexus.orchestrator.turn import Turn, lock_projects_of

TAKEN_IN_A_ROW: Final = 32


@dataclass(frozen=True, slots=True)
class Settle:
    """An attempt has come to its outcome; `in_a_row` counts what its slot took over before."""

    held: Held
    outcome: Outcome
    in_a_row: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Subtasks that the queue named."""

    subtask_ids: tuple[str, ...]


Wish = Begin | Done | Settle | Claim
Answer = list[Claimed] | Fenced | OverBudget
"""Claims that are the worker's now (none for most wishes), or why nothing was written."""


def write_batch(
    turn: Turn, worker_id: str, wishes: Sequence[Wish], share: Share | None, recall: Recall
) -> Transaction[list[Answer]]:
    """Write what a worker wishes; answer each wish in order.

    Args:
        share: its free slots, without those that settlements of this batch set free; None
            if it takes nothing over.
    """
    if not all(isinstance(wish, Begin | Done) for wish in wishes):
        yield from lock_projects_of(_touched(wishes))
    answers: dict[int, Answer] = {}
    yield from _journal(turn, wishes, answers)
    yield from _settle(turn, wishes, answers, share, recall)
    for at, wish in enumerate(wishes):
        if isinstance(wish, Claim):
            answers[at] = yield from claim_locked(turn, worker_id, wish.subtask_ids, recall)
    return [answers.get(at, []) for at in range(len(wishes))]


def _touched(wishes: Sequence[Wish]) -> list[str]:
    found: set[str] = set()
    for wish in wishes:
        found.update(wish.subtask_ids if isinstance(wish, Claim) else (wish.held.subtask_id,))
    return sorted(found)


def _journal(turn: Turn, wishes: Sequence[Wish], answers: dict[int, Answer]) -> Transaction[None]:
    """Records before intents: what a call came to is there before the next one starts."""
    calls = [wish for wish in wishes if isinstance(wish, Begin | Done)]
    if not calls:
        return
    done = [wish for wish in calls if isinstance(wish, Done)]
    begun = [wish for wish in calls if isinstance(wish, Begin)]
    holds = yield from write_down_calls(turn, done, begun)
    refused = yield from keep_to_budgets(turn, holds, done, begun)
    for at, wish in enumerate(wishes):
        if isinstance(wish, Begin | Done) and wish.held not in holds:
            answers[at] = _fenced(wish.held)
        elif isinstance(wish, Begin) and place_of(wish) in refused:
            answers[at] = refused[place_of(wish)]


def _settle(
    turn: Turn,
    wishes: Sequence[Wish],
    answers: dict[int, Answer],
    share: Share | None,
    recall: Recall,
) -> Transaction[None]:
    places = [(at, wish) for at, wish in enumerate(wishes) if isinstance(wish, Settle)]
    well = [(at, wish) for at, wish in places if not wish.outcome.problem]
    for at, wish in places:
        if wish.outcome.problem:
            try:
                yield from settle_problem(turn, wish.held, wish.outcome.problem)
            except Fenced as fenced:
                answers[at] = fenced
    if not well:
        return
    taking = yield from _share([wish for _, wish in well], share)
    settled = yield from settle_well(
        turn,
        [(wish.held, wish.outcome) for _, wish in well],
        taking,
        recall,
    )
    for at, wish in well:
        if wish.held in settled.fenced:
            answers[at] = _fenced(wish.held)
    _deal(settled.taken, [at for at, _ in well if at not in answers], answers)


def _share(settles: Sequence[Settle], share: Share | None) -> Transaction[Share]:
    """Add the slots that come free; every so often one waits its turn, if others wait."""
    if share is None:
        return NO_SHARE
    tired = sum(wish.in_a_row % TAKEN_IN_A_ROW == TAKEN_IN_A_ROW - 1 for wish in settles)
    if tired:
        rows = yield Query(
            "SELECT 1 FROM subtasks WHERE status = 'queued' AND run_at <= NOW_US() LIMIT 1"
        )
        tired = tired if rows else 0
    return share.without(tired - len(settles))


def _deal(taken: Sequence[Claimed], places: Sequence[int], answers: dict[int, Answer]) -> None:
    """Give every settled slot one of the subtasks taken over, and the last one what is left."""
    for index, at in enumerate(places):
        is_last = index == len(places) - 1
        answers[at] = list(taken[index:] if is_last else taken[index : index + 1])


def _fenced(held: Held) -> Fenced:
    return Fenced(f"the claim on {held.subtask_id} is not held any more")
