"""Begin and record: the two commits around every effect, under subtask, claim, owner and running."""

from dataclasses import dataclass

from nexus.domain.money import to_usd
from nexus.domain.seam import Call, CallKind, Json, Recorded
from nexus.domain.text import clean, dumps
from nexus.errors import Fenced
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.transitions.subtasks import Held
from nexus.orchestrator.turn import Subject, Turn, lock_projects_of


@dataclass(frozen=True, slots=True)
class Intent:
    """A call about to be made: its record's number and how often the same call came before."""

    call: Call
    number: int
    occurrence: int
    generation: int


def begin(held: Held, intent: Intent) -> Transaction[None]:
    """Commit the intent of a call.

    Raises:
        Fenced: the claim is not held any more; the call must not be made.
    """
    workspace = (yield from _still_held(held))[0]
    call = intent.call
    yield Query(
        "INSERT INTO journal (subtask_id, number, workspace, kind, name, key, occurrence, "
        "generation, fingerprint, effect, status, claim, request, input_tokens, output_tokens, "
        "begun_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'begun', $11, $12, 0, 0, "
        "NOW_US()) ON CONFLICT (subtask_id, number) DO UPDATE SET status = 'begun', "
        "claim = EXCLUDED.claim, begun_at = EXCLUDED.begun_at WHERE journal.status = 'begun'",
        (
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
            dumps(call.request),
        ),
    )


def record(turn: Turn, held: Held, intent: Intent, recorded: Recorded) -> Transaction[None]:
    """Commit what a call came to, with its cost and its event.

    Raises:
        Fenced: the claim is not held any more; nothing was written.
    """
    yield from lock_projects_of([held.subtask_id])
    row = yield from _still_held(held)
    status = "failed" if recorded.outcome == "failed" else "recorded"
    usage = recorded.usage
    written = yield Query(
        "UPDATE journal SET status = $3, result = $4, outcome = $5, input_tokens = $6, "
        "output_tokens = $7, cost_pico_usd = $8, recorded_at = NOW_US() "
        "WHERE subtask_id = $1 AND number = $2 AND status = 'begun' "
        "RETURNING recorded_at - begun_at",
        (
            held.subtask_id,
            intent.number,
            status,
            dumps(recorded.value),
            recorded.outcome,
            usage.input_tokens,
            usage.output_tokens,
            usage.cost_pico_usd,
        ),
    )
    if not written:
        return  # recorded already: the answer to the first commit was lost on its way
    if intent.call.kind is CallKind.MODEL:
        yield from _charge(held, row[1], recorded)
    _tell(turn, held, row, intent.call, recorded, written[0][0] / 1_000_000)


def supersede(turn: Turn, held: Held, numbers: list[int]) -> Transaction[None]:
    """Cut the tail of a journal whose requests no longer match, and say so."""
    yield from lock_projects_of([held.subtask_id])
    row = yield from _still_held(held)
    cut = yield Query(
        "UPDATE journal SET status = 'superseded' WHERE subtask_id = $1 AND number IN EACH($2) "
        "AND status = 'recorded' RETURNING number",
        (held.subtask_id, numbers),
    )
    if cut and row[1]:
        turn.tell(_subject(held, row), "subtask.superseded", by="changed request")


def _still_held(held: Held) -> Transaction[Row]:
    """Lock the subtask's row; return (workspace, project, task, attempt)."""
    rows = yield Query(
        "SELECT workspace, project_id, task_id, attempt FROM subtasks "
        "WHERE id = $1 AND claim = $2 AND owner = $3 AND status = 'running' FOR UPDATE",
        (held.subtask_id, held.claim, held.owner),
    )
    if not rows:
        raise Fenced(f"the claim on {held.subtask_id} is not held any more")
    return rows[0]


def _charge(held: Held, project_id: str | None, recorded: Recorded) -> Transaction[None]:
    usage = recorded.usage
    values = (usage.requests, usage.input_tokens, usage.output_tokens, usage.cost_pico_usd or 0)
    yield Query(
        "UPDATE subtasks SET requests = requests + $2, input_tokens = input_tokens + $3, "
        "output_tokens = output_tokens + $4, cost_pico_usd = cost_pico_usd + $5 WHERE id = $1",
        (held.subtask_id, *values),
    )
    if project_id:
        yield Query(
            "UPDATE projects SET requests = requests + $2, input_tokens = input_tokens + $3, "
            "output_tokens = output_tokens + $4, cost_pico_usd = cost_pico_usd + $5, "
            "unpriced_requests = unpriced_requests + $6 WHERE id = $1",
            (project_id, *values, int(usage.cost_pico_usd is None)),
        )


def _subject(held: Held, row: Row) -> Subject:
    return Subject(row[1], row[0], row[2], held.subtask_id, row[3])


def _tell(turn: Turn, held: Held, row: Row, call: Call, recorded: Recorded, seconds: float) -> None:
    if not row[1]:
        return
    usage = recorded.usage
    if call.kind is CallKind.MODEL:
        cost: Json = None if usage.cost_pico_usd is None else to_usd(usage.cost_pico_usd)
        turn.tell(
            _subject(held, row),
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
            _subject(held, row),
            "tool.called",
            name=call.name,
            duration_seconds=seconds,
            outcome=recorded.outcome,
        )
