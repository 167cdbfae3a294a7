"""Begin and record: the two commits around every effect, under subtask, claim, owner and running."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from nexus.domain.money import to_usd
from nexus.domain.seam import Call, CallKind, Json, Recorded, Usage
from nexus.domain.text import clean
from nexus.errors import Fenced
from nexus.models.writing import Cell, Query, Row, Transaction
from nexus.orchestrator.transitions.artifacts import MadeRow, keep_artifacts
from nexus.orchestrator.transitions.calls import INSERT_LATER, still_held, write_calls
from nexus.orchestrator.transitions.subtasks import Held
from nexus.orchestrator.turn import Subject, Tally, Turn, lock_projects_of
from nexus.orchestrator.value_files import Kept

KEY_LENGTH: Final = 200


@dataclass(frozen=True, slots=True)
class Intent:
    """A call about to be made: its record's number and how often the same call came before.

    `origin` is the subtask it began under, if a retry carried it over.
    """

    call: Call
    number: int
    occurrence: int
    generation: int
    request: Kept
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Begin:
    """An effect wants to start."""

    held: Held
    intent: Intent


@dataclass(frozen=True, slots=True)
class Done:
    """A call that was made under a claim, and what it came to; `result` is its value as kept."""

    held: Held
    intent: Intent
    recorded: Recorded
    result: Kept


def write_down_calls(
    turn: Turn, done: Sequence[Done], begun: Sequence[Begin]
) -> Transaction[Mapping[Held, Row]]:
    """Lock projects; commit what calls came to, with their cost and events, and intents.

    Returns:
        the rows of the claims that hold (see `Written`): nothing was written for another.
    """
    claims = {one.held for one in done} | {one.held for one in begun}
    written = yield from write_calls(
        claims, [_result_row(one) for one in done], [intent_row(one) for one in begun]
    )
    made: list[MadeRow] = []
    for one in done:
        took_us = written.lasted_us.get((one.held.subtask_id, one.intent.number))
        row = written.holds.get(one.held)
        if row is None or took_us is None:
            continue
        if row[2]:
            if one.intent.call.kind is CallKind.MODEL:
                _add(turn.tally(row[2]), one.recorded.usage)
            _tell(turn, _subject(row), one.intent.call, one.recorded, took_us / 1_000_000)
            made += [(_subject(row), file) for file in one.recorded.files]
        else:  # of a conversation: whoever follows it reads the journal
            turn.touched.add(row[0])
    if made:
        yield from keep_artifacts(turn, made)
    return written.holds


def storable_key(key: str) -> str:
    """Write a key as the journal keeps it, so that replay looks for what was stored."""
    cleaned = clean(key)
    if len(cleaned) <= KEY_LENGTH:
        return cleaned
    return f"{cleaned[:120]}:{sha256(cleaned.encode()).hexdigest()}"


def write_later(held: Held, workspace: str, intent: Intent, status: str) -> Transaction[None]:
    """Write the intent of a call that waits for others, in a state that says so; harmless to repeat."""
    subtask_id, claim, number, *rest = intent_row(Begin(held, intent))
    yield Query(INSERT_LATER, (subtask_id, claim, number, workspace, *rest, status))


def intent_row(begin: Begin) -> tuple[Cell, ...]:
    """Write an intent as `write_calls` takes it."""
    intent, call = begin.intent, begin.intent.call
    return (
        begin.held.subtask_id,
        begin.held.claim,
        intent.number,
        call.kind.value,
        clean(call.name)[:200],
        call.key,
        intent.occurrence,
        intent.generation,
        call.fingerprint,
        call.effect.value,
        intent.request.text,
        intent.request.digest,
        intent.request.size,
    )


def _result_row(done: Done) -> tuple[Cell, ...]:
    recorded, usage = done.recorded, done.recorded.usage
    return (
        done.held.subtask_id,
        done.held.claim,
        done.intent.number,
        "failed" if recorded.outcome == "failed" else "recorded",
        done.result.text,
        recorded.outcome,
        usage.input_tokens,
        usage.output_tokens,
        usage.cost_pico_usd,
        done.result.digest,
        done.result.size,
        usage.requests if done.intent.call.kind is CallKind.MODEL else None,
    )


def reopen(held: Held, number: int) -> Transaction[None]:
    """Take a record whose file is lost for a call that was interrupted.

    Raises:
        Fenced: the claim is not held any more.
    """
    if held not in (yield from still_held([held])):
        raise Fenced(f"the claim on {held.subtask_id} is not held any more")
    yield Query(
        "UPDATE journal SET status = 'begun', result = NULL, result_sha256 = NULL, "
        "result_bytes = NULL, outcome = NULL, recorded_at = NULL "
        "WHERE subtask_id = $1 AND number = $2 AND status = 'recorded'",
        (held.subtask_id, number),
    )


def supersede(turn: Turn, held: Held, numbers: list[int]) -> Transaction[None]:
    """Cut the tail of a journal whose requests no longer match, and say so.

    Raises:
        Fenced: the claim is not held any more.
    """
    yield from lock_projects_of([held.subtask_id])
    row = (yield from still_held([held])).get(held)
    if row is None:
        raise Fenced(f"the claim on {held.subtask_id} is not held any more")
    cut = yield Query(
        "UPDATE journal SET status = 'superseded' WHERE subtask_id = $1 AND number IN EACH($2) "
        "AND status = 'recorded' RETURNING number",
        (held.subtask_id, numbers),
    )
    if cut and row[2]:
        turn.tell(_subject(row), "subtask.superseded", by="changed request")


def _add(tally: Tally, usage: Usage) -> None:
    tally.requests += usage.requests
    tally.input_tokens += usage.input_tokens
    tally.output_tokens += usage.output_tokens
    tally.cost_pico_usd += usage.cost_pico_usd or 0
    tally.unpriced_requests += usage.cost_pico_usd is None


def _subject(row: Row) -> Subject:
    return Subject(row[2], row[1], row[3], row[0], row[4])


def _tell(turn: Turn, subject: Subject, call: Call, recorded: Recorded, seconds: float) -> None:
    usage = recorded.usage
    if call.kind is CallKind.MODEL:
        cost: Json = None if usage.cost_pico_usd is None else to_usd(usage.cost_pico_usd)
        turn.tell(
            subject,
            "model.called",
            model=call.name,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_usd=cost,
            duration_seconds=seconds,
            outcome=recorded.outcome,
            fitted=recorded.fitted,
        )
    elif call.kind is CallKind.TOOL:
        turn.tell(
            subject,
            "tool.called",
            name=call.name,
            duration_seconds=seconds,
            outcome=recorded.outcome,
        )
