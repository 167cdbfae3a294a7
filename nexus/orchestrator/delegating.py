"""Parts of a subtask's work are given to others: delegated, settled, collected, and never lost sight of.

Called by the seam and when a part is settled; `mend_parts` by the pulse. Invariant: a subtask
that has delegated waits, without a slot or a lease, exactly as long as one of its parts is
open; the transaction that ends the last of them queues it again.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog

from nexus.agents.roster import plannable
from nexus.domain.delegation import DELEGATE, Part
from nexus.domain.seam import Json
from nexus.domain.states import SUBTASK_TERMINAL, SubtaskKind, SubtaskState
from nexus.errors import Fenced, InvalidInput
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.claiming import Claimed
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.recording import Intent, write_later
from nexus.orchestrator.records import DELEGATED
from nexus.orchestrator.team import unknown_agents
from nexus.orchestrator.transitions.calls import still_held
from nexus.orchestrator.transitions.parts import (
    Child,
    cancel_parts,
    collect_parts,
    queue_parts,
    read_children,
    wake_parent,
)
from nexus.orchestrator.transitions.subtasks import Held, finish_subtasks, subject_of
from nexus.orchestrator.transitions.waiting import suspend_subtask
from nexus.orchestrator.turn import Subject, Turn, lock_projects_of

SPLITTING: Final = (SubtaskKind.WORK, SubtaskKind.REVISE)
"""Kinds of subtasks that may delegate: those that do a task, and no parts of them."""
MOST_OUTPUT: Final = 8_000_000
"""Characters of all outputs together that the journal keeps of one call."""
OPEN: Final = (
    "EXISTS (SELECT 1 FROM parts o JOIN subtasks c ON c.id = o.subtask_id "
    "WHERE o.parent_id = s.id AND o.awaited = 1 "
    "AND c.status NOT IN ('succeeded', 'failed', 'cancelled'))"
)
BATCH: Final = 50

log = structlog.get_logger()


def delegate(turn: Turn, claimed: Claimed, intent: Intent) -> Transaction[list[Json] | None]:
    """Give the parts of a call to others and let its subtask wait; or give what they came to.

    Harmless to repeat.

    Returns:
        for each part, in order, what it came to; None if the subtask waits for them now.

    Raises:
        Fenced: the claim is not held any more; nothing was begun.
        InvalidInput: the parts cannot be given to anybody; nothing was begun.
    """
    held, number = claimed.held, intent.number
    yield from lock_projects_of([held.subtask_id])
    row = (yield from still_held([held])).get(held)
    if row is None:
        raise Fenced(f"the claim on {held.subtask_id} is not held any more")
    children = yield from read_children(held.subtask_id, number)
    if children and all(one.is_over for one in children):
        yield from collect_parts(held.subtask_id, number, held.claim)
        return [_result(one, MOST_OUTPUT // len(children)) for one in children]
    count = len(children)
    if not children:
        yield from _check(claimed, intent.call.parts)
        yield from write_later(held, claimed.workspace, intent, DELEGATED)
        parent = Subject(row[2], row[1], row[3], row[0], row[4])
        count = len((yield from queue_parts(turn, parent, number, intent.call.parts)))
    yield from suspend_subtask(turn, held, f"{count} delegated part{'s' if count > 1 else ''}")
    return None


def _check(claimed: Claimed, parts: Sequence[Part]) -> Transaction[None]:
    """Refuse parts that nobody could do.

    Raises:
        InvalidInput: an agent is unknown, or the subtask may not delegate.
    """
    if claimed.kind not in SPLITTING:
        raise InvalidInput(
            f"{DELEGATE}: this is a {claimed.kind.value} subtask, and only the work of a task "
            "is split into parts: do it yourself",
            code="may_not_delegate",
        )
    names = {part.agent for part in parts} - {claimed.agent}
    unknown = yield from unknown_agents(claimed.workspace, names, frozenset(plannable()))
    if unknown:
        raise InvalidInput(
            f"{DELEGATE}: there is no agent named {unknown[0][:80]!r} that could do a part",
            code="unknown_agent",
            hint=f"name one of {', '.join(sorted(plannable()))}, or leave it out",
        )


def _result(child: Child, most: int) -> Json:
    """Write what a part came to."""
    told: dict[str, Json] = {"title": child.title, "agent": child.agent, "status": child.status}
    if child.status == SubtaskState.SUCCEEDED:
        return {**told, "output": _bounded(child.output or "", most)}
    error = (
        json.loads(child.error) if child.error else {"code": "cancelled", "message": "cancelled"}
    )
    return {**told, "error": {name: error.get(name) for name in ("code", "message", "hint")}}


def outcome_of(results: Sequence[Json]) -> str:
    """Say how a call ended: a retry of its task keeps one whose parts all ended well."""
    well = all(isinstance(one, dict) and "output" in one for one in results)
    return "ok" if well else "partial"


def _bounded(output: str, most: int) -> str:
    if len(output) <= most:
        return output
    return f"{output[:most]}\n[cut: the first {most:,} of {len(output):,} characters]"


def settle_part(turn: Turn, held: Held, output: str) -> Transaction[bool]:
    """Let a delegated part succeed; False if the claim is not held any more."""
    rows = yield from finish_subtasks(turn, [(held, output)], SubtaskState.SUCCEEDED)
    for row in rows:
        yield from end_part(turn, subject_of(row))
    return bool(rows)


def end_part(turn: Turn, part: Subject) -> Transaction[None]:
    """Queue the parent of a part that is over, if it was the last; else its project may rest."""
    rows = yield Query(
        " ".join(
            (
                "SELECT s.id,",
                OPEN,
                "FROM parts p JOIN subtasks s ON s.id = p.parent_id",
                "WHERE p.subtask_id = $1 AND p.awaited = 1",
            )
        ),
        (part.subtask_id,),
    )
    for parent_id, waits in rows:
        if waits:
            turn.resting.add(part.project_id)
        else:
            yield from wake_parent(turn, parent_id)


async def mend_parts(engine: WorkflowEngine) -> int:
    """Wake parents whose parts are all over, and cancel parts whose parent is; return how many.

    No path of the engine leaves such; a database that was restored or edited may have them.
    """
    found = await engine.run(lambda turn: _neglected())
    for parent_id in found:
        await engine.run(partial(_mend, parent_id=parent_id))
    return len(found)


def _neglected() -> Transaction[list[str]]:
    rows = yield Query(
        " ".join(
            (
                "SELECT DISTINCT s.id FROM parts p JOIN subtasks s ON s.id = p.parent_id",
                "WHERE p.awaited = 1 AND (s.status IN EACH($1) OR (s.status = 'waiting' AND NOT",
                OPEN,
                ")) LIMIT $2",
            )
        ),
        ([state.value for state in SUBTASK_TERMINAL], BATCH),
    )
    return sorted(row[0] for row in rows)


def _mend(turn: Turn, *, parent_id: str) -> Transaction[None]:
    yield from lock_projects_of([parent_id])
    rows = yield Query(
        " ".join(("SELECT s.status,", OPEN, "FROM subtasks s WHERE s.id = $1")), (parent_id,)
    )
    if not rows:
        return
    status, waits = rows[0]
    log.warning("delegation.mended", subtask_id=parent_id, status=status)
    if status in SUBTASK_TERMINAL:
        yield from cancel_parts(turn, parent_id)
    elif status == SubtaskState.WAITING and not waits:
        yield from wake_parent(turn, parent_id)
