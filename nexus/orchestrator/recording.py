"""Begin and record: the two commits around every effect, under subtask, claim, owner and running."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nexus.domain.money import to_usd
from nexus.domain.seam import Call, CallKind, Json, Recorded, Usage
from nexus.domain.text import clean
from nexus.errors import Fenced
from nexus.models.writing import Many, Query, Row, Transaction, Value
from nexus.orchestrator.transitions.subtasks import Held
from nexus.orchestrator.turn import Subject, Tally, Turn, lock_projects_of
from nexus.orchestrator.value_files import Kept


@dataclass(frozen=True, slots=True)
class Intent:
    """A call about to be made: its record's number and how often the same call came before."""

    call: Call
    number: int
    occurrence: int
    generation: int
    request: Kept


@dataclass(frozen=True, slots=True)
class Done:
    """A call that was made under a claim, and what it came to; `result` is its value as kept."""

    held: Held
    intent: Intent
    recorded: Recorded
    result: Kept


def still_held(claims: Sequence[Held]) -> Transaction[dict[Held, Row]]:
    """Lock the rows of one worker's claims that still hold; by claim (id, workspace, project, task, attempt)."""
    pairs: list[tuple[str, int]] = sorted({(one.subtask_id, one.claim) for one in claims})
    rows = yield Query(
        "SELECT s.id, s.workspace, s.project_id, s.task_id, s.attempt, s.claim "
        "FROM EACH OF $1 (subtask TEXT, number BIGINT) AS j CROSS JOIN subtasks s "
        "WHERE s.id = j.subtask AND s.claim = j.number AND s.owner = $2 AND s.status = 'running' "
        "FOR UPDATE OF s",
        (pairs, claims[0].owner),
    )
    return {Held(row[0], row[5], claims[0].owner): row for row in rows}


def begin_calls(
    begun: Sequence[tuple[Held, Intent]], holds: Mapping[Held, Row]
) -> Transaction[None]:
    """Commit the intents of calls whose claims hold; one met again is renewed."""
    yield Many(
        "INSERT INTO journal (subtask_id, number, workspace, kind, name, key, occurrence, "
        "generation, fingerprint, effect, status, claim, request, request_sha256, request_bytes, "
        "input_tokens, output_tokens, begun_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
        "'begun', $11, $12, $13, $14, 0, 0, NOW_US()) ON CONFLICT (subtask_id, number) DO UPDATE SET status = 'begun', "
        "claim = EXCLUDED.claim, begun_at = EXCLUDED.begun_at WHERE journal.status = 'begun'",
        [_journal_row(held, intent, holds[held][1]) for held, intent in begun],
    )


def _journal_row(held: Held, intent: Intent, workspace: str) -> tuple[Value, ...]:
    call = intent.call
    return (
        held.subtask_id,
        intent.number,
        workspace,
        call.kind.value,
        clean(call.name)[:200],
        call.key,
        intent.occurrence,
        intent.generation,
        call.fingerprint,
        call.effect.value,
        held.claim,
        intent.request.text,
        intent.request.digest,
        intent.request.size,
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


def record_calls(turn: Turn, done: Sequence[Done], holds: Mapping[Held, Row]) -> Transaction[None]:
    """Commit what calls came to, with their cost and events; their claims hold, projects are locked.

    What is recorded already is passed over: the answer to the first commit was lost on its way.
    """
    written = yield Query(
        "UPDATE journal SET status = j.state, result = j.value, outcome = j.how, "
        "input_tokens = j.read, output_tokens = j.written, cost_pico_usd = j.cost, "
        "result_sha256 = j.digest, result_bytes = j.size, recorded_at = NOW_US() "
        "FROM EACH OF $1 (subtask TEXT, place BIGINT, state TEXT, value TEXT, how TEXT, "
        "read BIGINT, written BIGINT, cost BIGINT, digest TEXT, size BIGINT) AS j "
        "WHERE journal.subtask_id = j.subtask AND journal.number = j.place "
        "AND journal.status = 'begun' "
        "RETURNING subtask_id, journal.number, recorded_at - begun_at",
        ([_result_row(one) for one in done],),
    )
    lasted = {(row[0], row[1]): row[2] / 1_000_000 for row in written}
    fresh = [one for one in done if (one.held.subtask_id, one.intent.number) in lasted]
    yield from _charge(turn, fresh, holds)
    for one in fresh:
        row = holds[one.held]
        if row[2]:
            seconds = lasted[one.held.subtask_id, one.intent.number]
            _tell(turn, _subject(row), one.intent.call, one.recorded, seconds)


def _result_row(done: Done) -> tuple[str | int | None, ...]:
    recorded, usage = done.recorded, done.recorded.usage
    return (
        done.held.subtask_id,
        done.intent.number,
        "failed" if recorded.outcome == "failed" else "recorded",
        done.result.text,
        recorded.outcome,
        usage.input_tokens,
        usage.output_tokens,
        usage.cost_pico_usd,
        done.result.digest,
        done.result.size,
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


def _charge(turn: Turn, done: Sequence[Done], holds: Mapping[Held, Row]) -> Transaction[None]:
    """Add what model calls cost to their subtasks and projects."""
    spent: dict[str, Tally] = {}
    for one in done:
        if one.intent.call.kind is CallKind.MODEL:
            _add(spent.setdefault(one.held.subtask_id, Tally()), one.recorded.usage)
            if holds[one.held][2]:
                _add(turn.tally(holds[one.held][2]), one.recorded.usage)
    if spent:
        yield Many(
            "UPDATE subtasks SET requests = requests + $2, input_tokens = input_tokens + $3, "
            "output_tokens = output_tokens + $4, cost_pico_usd = cost_pico_usd + $5 WHERE id = $1",
            [
                (key, one.requests, one.input_tokens, one.output_tokens, one.cost_pico_usd)
                for key, one in spent.items()
            ],
        )


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
        )
    elif call.kind is CallKind.TOOL:
        turn.tell(
            subject,
            "tool.called",
            name=call.name,
            duration_seconds=seconds,
            outcome=recorded.outcome,
        )
