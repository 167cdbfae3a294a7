"""Calls begin and come to something: intents, results and their cost, for a whole group at once.

Rows carry the subtask and claim they belong to; what belongs to a claim that is not held
any more is passed over.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from nexus.models.writing import Cell, Fused, Many, Query, Row, Transaction
from nexus.orchestrator.transitions.subtasks import Held

HELD_COLUMNS: Final = "SELECT s.id, s.workspace, s.project_id, s.task_id, s.attempt, s.claim"
HELD_CLAIMS: Final = "EACH OF $1 (subtask TEXT, number BIGINT) AS j CROSS JOIN subtasks s"
IS_HELD: Final = (
    "WHERE s.id = j.subtask AND s.claim = j.number AND s.owner = $2 AND s.status = 'running' "
    "FOR UPDATE OF s"
)
HELD: Final = " ".join((HELD_COLUMNS, "FROM", HELD_CLAIMS, IS_HELD))
HELD_BUDGETED: Final = " ".join(
    (
        HELD_COLUMNS,
        ", EXISTS (SELECT 1 FROM projects p WHERE p.id = s.project_id AND p.budget IS NOT NULL)",
        "FROM",
        HELD_CLAIMS,
        IS_HELD,
    )
)
"""Also tells whether its project has a budget: intents under one are committed elsewhere."""

RESULT_COLUMNS: Final = (
    "subtask TEXT, number BIGINT, place BIGINT, state TEXT, value TEXT, how TEXT, read BIGINT, "
    "written BIGINT, cost BIGINT, digest TEXT, size BIGINT, asked BIGINT"
)
RECORD_COLUMNS: Final = (
    "UPDATE journal SET status = j.state, result = j.value, outcome = j.how, "
    "input_tokens = j.read, output_tokens = j.written, cost_pico_usd = j.cost, "
    "result_sha256 = j.digest, result_bytes = j.size, recorded_at = NOW_US()"
)
RECORDED: Final = (
    "WHERE journal.subtask_id = j.subtask AND journal.number = j.place "
    "AND journal.status = 'begun' "
    "RETURNING journal.subtask_id, journal.number, recorded_at - begun_at"
)
RECORD: Final = " ".join((RECORD_COLUMNS, "FROM EACH OF $1 (", RESULT_COLUMNS, ") AS j", RECORDED))
CHARGE_COLUMNS: Final = (
    "UPDATE subtasks SET requests = requests + j.asked, input_tokens = input_tokens + j.read, "
    "output_tokens = output_tokens + j.written, cost_pico_usd = cost_pico_usd + j.cost"
)
SUMS: Final = (
    "sum(asked) AS asked, sum(read) AS read, sum(written) AS written, "
    "sum(COALESCE(cost, 0)) AS cost"
)
CHARGE: Final = " ".join(
    (
        CHARGE_COLUMNS,
        "FROM (SELECT subtask,",
        SUMS,
        "FROM EACH OF $1 (",
        RESULT_COLUMNS,
        ") AS j WHERE asked IS NOT NULL GROUP BY subtask) AS j WHERE subtasks.id = j.subtask",
    )
)
BEGIN_COLUMNS: Final = (
    "INSERT INTO journal (subtask_id, claim, number, workspace, kind, name, key, occurrence, "
    "generation, fingerprint, effect, request, request_sha256, request_bytes, status, "
    "input_tokens, output_tokens, begun_at)"
)
RENEW: Final = (
    "ON CONFLICT (subtask_id, number) DO UPDATE SET status = 'begun', claim = EXCLUDED.claim, "
    "begun_at = EXCLUDED.begun_at WHERE journal.status = 'begun'"
)
BEGIN: Final = " ".join(
    (
        BEGIN_COLUMNS,
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'begun', 0, 0,",
        "NOW_US())",
        RENEW,
    )
)

INSERT_LATER: Final = " ".join(
    (
        BEGIN_COLUMNS,
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, 0,",
        "NOW_US()) ON CONFLICT (subtask_id, number) DO NOTHING",
    )
)
"""The intent of a call that is not made yet, in a state of its own."""

FUSED: Final = " ".join(
    (
        "WITH locked AS (SELECT id, budget FROM projects WHERE id IN (SELECT s.project_id FROM",
        "EACH OF $1 (subtask TEXT, number BIGINT) AS j JOIN subtasks s ON s.id = j.subtask)",
        "ORDER BY id FOR UPDATE), held AS (",
        HELD_COLUMNS,
        ", b.budget IS NOT NULL AS budgeted FROM (SELECT count(*) FROM locked) l CROSS JOIN",
        HELD_CLAIMS,
        "LEFT JOIN locked b ON b.id = s.project_id",
        IS_HELD,
        "), result AS (SELECT j.* FROM EACH OF $3 (",
        RESULT_COLUMNS,
        ") AS j JOIN held ON held.id = j.subtask AND held.claim = j.number), recorded AS (",
        RECORD_COLUMNS,
        "FROM result j",
        RECORDED,
        "AS lasted), charged AS (",
        CHARGE_COLUMNS,
        "FROM (SELECT subtask,",
        SUMS,
        "FROM recorded r JOIN result ON result.subtask = r.subtask_id AND result.place = r.number",
        "WHERE asked IS NOT NULL GROUP BY subtask) AS j",
        "WHERE subtasks.id = j.subtask), begun AS (",
        BEGIN_COLUMNS,
        "SELECT j.subtask, j.number, place, held.workspace, kind, name, key, occurrence, generation,",
        "fingerprint, effect, request, digest, size, 'begun', 0, 0, NOW_US()",
        "FROM EACH OF $4 (subtask TEXT, number BIGINT, place BIGINT, kind TEXT, name TEXT,",
        "key TEXT, occurrence BIGINT, generation BIGINT, fingerprint TEXT, effect TEXT,",
        "request TEXT, digest TEXT, size BIGINT) AS j",
        "JOIN held ON held.id = j.subtask AND held.claim = j.number AND NOT held.budgeted",
        RENEW,
        ") SELECT (SELECT json_agg(json_build_array(id, workspace, project_id, task_id, attempt,",
        "claim, budgeted)) FROM held),",
        "(SELECT json_agg(json_build_array(subtask_id, number, lasted)) FROM recorded)",
    )
)
"""Locks the projects before the rows of claims, which it then reads as they are by then."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: the rows of claims that hold, by claim, with whether their project has
    a budget; and how long calls took in us, by subtask and number, of those that were recorded
    now and not before."""

    holds: dict[Held, Row]
    lasted_us: dict[tuple[str, int], int]


def still_held(claims: Collection[Held]) -> Transaction[dict[Held, Row]]:
    """Lock the rows of one worker's claims that still hold.

    Returns:
        by claim: (id, workspace, project, task, attempt, claim).
    """
    pairs, owner = _pairs(claims)
    return _by_claim((yield Query(HELD, (pairs, owner))), owner)


def write_calls(
    claims: Collection[Held], results: Sequence[tuple[Cell, ...]], begun: Sequence[tuple[Cell, ...]]
) -> Transaction[Written]:
    """Lock projects; record what calls came to and commit intents of claims that still hold.

    What is recorded already is passed over: the answer to the first commit was lost on its
    way. An intent met again is renewed. Intents of projects with a budget are left to
    `begin_calls`, for those that it has room for.

    Args:
        claims: of one worker.
        results: rows of RESULT_COLUMNS; `asked` is null for what is no model call.
        begun: (subtask, claim, number, kind, name, key, occurrence, generation, fingerprint,
            effect, request, its digest, its size).
    """
    pairs, owner = _pairs(claims)
    held, recorded = yield Fused(
        FUSED,
        (pairs, owner, list(results), list(begun)),
        partial(_write_in_steps, pairs, owner, results, begun),
    )
    return Written(_by_claim(held, owner), {(row[0], row[1]): row[2] for row in recorded})


def _write_in_steps(
    pairs: list[tuple[str, int]],
    owner: str,
    results: Sequence[tuple[Cell, ...]],
    begun: Sequence[tuple[Cell, ...]],
) -> Transaction[list[Row]]:
    held = yield Query(HELD_BUDGETED, (pairs, owner))
    claims: dict[tuple[Cell, ...], Row] = {(row[0], row[5]): row for row in held}
    recorded: list[Row] = []
    known = [one for one in results if one[:2] in claims]
    if known:
        recorded = yield Query(RECORD, (known,))
        fresh = {(row[0], row[1]) for row in recorded}
        charged = [one for one in known if (one[0], one[2]) in fresh and one[-1] is not None]
        if charged:
            yield Query(CHARGE, (charged,))
    free = [one for one in begun if one[:2] in claims and not claims[one[:2]][6]]
    yield from begin_calls([(one, claims[one[:2]][1]) for one in free])
    return [held, recorded]


def begin_calls(intents: Sequence[tuple[tuple[Cell, ...], str]]) -> Transaction[None]:
    """Commit intents (rows as `write_calls` takes them, each with its workspace)."""
    if intents:
        yield Many(BEGIN, [(*row[:3], workspace, *row[3:]) for row, workspace in intents])


def _pairs(claims: Collection[Held]) -> tuple[list[tuple[str, int]], str]:
    return sorted({(one.subtask_id, one.claim) for one in claims}), next(iter(claims)).owner


def _by_claim(rows: Sequence[Row], owner: str) -> dict[Held, Row]:
    return {Held(row[0], row[5], owner): row for row in rows}
