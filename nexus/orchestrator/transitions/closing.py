"""The last writes of a transaction: new subtasks, counters of projects and phases, numbered events.

A turn gathers them; here they become rows, in one statement on PostgreSQL.
"""

from functools import partial
from typing import Final

from nexus.domain.states import SHOWN
from nexus.models.writing import Cell, Fused, Many, Query, Row, Transaction
from nexus.orchestrator.newborn import NewSubtask
from nexus.orchestrator.turn import EventRow, Turn

SUBTASK_COLUMNS: Final = (
    "INSERT INTO subtasks (id, workspace, project_id, task_id, document_id, supersedes, kind, agent, "
    "priority, max_attempts, max_model_calls, timeout_seconds, status, owner, claim, attempt, "
    "attempt_open, started_at, deadline_at, generation, run_at, announced_at, requests, "
    "input_tokens, output_tokens, cost_pico_usd, created_at)"
)
INSERT_SUBTASK: Final = (
    f"{SUBTASK_COLUMNS} "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $15, "
    "CASE WHEN CAST($15 AS BIGINT) = 1 THEN NOW_US() END, CASE WHEN CAST($15 AS BIGINT) = 1 "
    "THEN NOW_US() + CAST(CAST($12 AS DOUBLE PRECISION) * 1000000 AS BIGINT) END, "
    "0, NOW_US(), NULL, 0, 0, 0, 0, NOW_US())"
)
GIVE_SUBTASKS: Final = (
    "UPDATE tasks SET subtask_id = j.subtask, "
    "status = CASE WHEN j.runs = 1 THEN 'running' ELSE status END, "
    "started_at = CASE WHEN j.runs = 1 THEN COALESCE(started_at, NOW_US()) "
    "ELSE started_at END FROM EACH OF $1 (task TEXT, subtask TEXT, runs BIGINT) AS j "
    "WHERE tasks.id = j.task AND tasks.status = 'pending'"
)
COUNT_UP: Final = (
    "UPDATE projects SET seq = seq + j.events, tasks_open = tasks_open - j.ended, "
    "tasks_succeeded = tasks_succeeded + j.well, requests = requests + j.asked, "
    "input_tokens = input_tokens + j.taken, output_tokens = output_tokens + j.given, "
    "cost_pico_usd = cost_pico_usd + j.cost, unpriced_requests = unpriced_requests + j.unpriced, "
    "updated_at = NOW_US() FROM EACH OF $1 (project TEXT, events BIGINT, ended BIGINT, well BIGINT, "
    "asked BIGINT, taken BIGINT, given BIGINT, cost BIGINT, unpriced BIGINT) AS j "
    "WHERE projects.id = j.project "
    "RETURNING id, seq, updated_at, status, tasks_open, tasks_total, tasks_succeeded, workspace, "
    "EXISTS (SELECT 1 FROM approvals a WHERE a.project_id = projects.id "
    "AND a.status = 'pending') OR (projects.budget IS NOT NULL AND EXISTS (SELECT 1 "
    "FROM reservations r WHERE r.project_id = projects.id AND r.granted = 0)) AS waits"
)
EVENT_COLUMNS: Final = (
    "INSERT INTO events (project_id, seq, workspace, type, at, task_id, subtask_id, attempt, data)"
)
ADD_SHOWN: Final = " ".join(
    (
        "UPDATE phases SET",
        ", ".join(f"{one} = phases.{one} + j.{one}" for one in SHOWN),
        "FROM EACH OF $1 (project TEXT, phase TEXT,",
        ", ".join(f"{one} BIGINT" for one in SHOWN),
        ") AS j WHERE phases.project_id = j.project AND phases.key = j.phase",
    )
)
INSERT_EVENT: Final = f"{EVENT_COLUMNS} VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"

FUSED: Final = " ".join(
    (
        "WITH born AS (",
        SUBTASK_COLUMNS,
        "SELECT id, workspace, project, task, document, supersedes, kind, agent, priority,",
        "attempts, calls, seconds, status, owner, runs, runs, runs,",
        "CASE WHEN runs = 1 THEN NOW_US() END,",
        "CASE WHEN runs = 1 THEN NOW_US() + CAST(seconds * 1000000 AS BIGINT) END,",
        "0, NOW_US(), NULL, 0, 0, 0, 0, NOW_US()",
        "FROM EACH OF $1 (id TEXT, workspace TEXT, project TEXT, task TEXT, document TEXT,",
        "supersedes TEXT, kind TEXT, agent TEXT, priority BIGINT, attempts BIGINT, calls BIGINT,",
        "seconds FLOAT8, status TEXT, owner TEXT, runs BIGINT) AS j),",
        "given AS (",
        GIVE_SUBTASKS.replace("$1", "$2"),
        "), project AS (",
        COUNT_UP.replace("$1", "$3"),
        ", j.events), told AS (",
        EVENT_COLUMNS,
        "SELECT j.project, p.seq - p.events + j.place, j.workspace, j.type, p.updated_at,",
        "j.task, j.subtask, j.attempt, j.data FROM EACH OF $4 (project TEXT, place BIGINT,",
        "workspace TEXT, type TEXT, task TEXT, subtask TEXT, attempt BIGINT, data TEXT) AS j",
        "JOIN project p ON p.id = j.project), shown AS (",
        ADD_SHOWN.replace("$1", "$5"),
        ")",
        "SELECT (SELECT json_agg(json_build_array(id, seq, updated_at, status, tasks_open,",
        "tasks_total, tasks_succeeded, workspace, waits)) FROM project)",
    )
)

COPY_CALLS: Final = (
    "INSERT INTO journal (subtask_id, number, workspace, kind, name, key, occurrence, generation, "
    "fingerprint, effect, status, claim, request, request_sha256, request_bytes, result, "
    "result_sha256, result_bytes, outcome, input_tokens, output_tokens, cost_pico_usd, begun_at, "
    "recorded_at, origin) "
    "SELECT CAST($1 AS VARCHAR), number, workspace, kind, name, "
    "CASE WHEN kind = 'tool' THEN name ELSE key END, occurrence, 0, fingerprint, effect, "
    "CASE WHEN status = 'rejected' OR status = 'approved' THEN 'begun' ELSE status END, 0, "
    "request, request_sha256, request_bytes, CASE WHEN status = 'recorded' THEN result END, "
    "result_sha256, result_bytes, CASE WHEN status = 'recorded' THEN outcome END, 0, 0, 0, "
    "begun_at, CASE WHEN status = 'recorded' THEN recorded_at END, COALESCE(origin, subtask_id) "
    "FROM journal WHERE subtask_id = $2 AND kind <> 'model' AND ("
    "(status = 'recorded' AND outcome NOT IN ('partial', 'refused') "
    "AND (kind = 'step' OR key = name)) "
    "OR (status = 'begun' AND (effect = 'unsafe' OR (effect = 'idempotent' AND key = name))) "
    "OR (status = 'asked' AND effect = 'unsafe' AND key = name) "
    "OR (status IN ('approved', 'rejected') AND effect = 'unsafe' AND EXISTS "
    "(SELECT 1 FROM approvals a WHERE a.subtask_id = journal.subtask_id "
    "AND a.number = journal.number AND a.kind = 'interrupted_call')))"
)
"""What a subtask keeps of the one before it: what was recorded of steps and of tools called by name
(those of a model have the id of a call in its conversation, which is over), and whatever is in
doubt and must not be repeated unasked: what a person decided about that is asked anew."""


def give_subtask(turn: Turn, made: NewSubtask, key: str, phase: str) -> None:
    """Make a new subtask the current one of its pending task, which starts if it has an owner."""
    turn.subtasks.append(made.row())
    turn.gifts.append((made.task_id or "", made.id, int(made.owner is not None)))
    if made.supersedes:
        turn.copies.append((made.id, made.supersedes))
    turn.count(made.project_id or "", phase, "pending", "running" if made.owner else "queued")
    turn.tell(made.subject(None), "subtask.queued", kind=made.kind.value)
    if made.owner:
        begun = made.subject(1)
        turn.tell(begun, "subtask.started", kind=made.kind.value, worker=made.owner)
        turn.tell(begun, "task.started", key=key, agent=made.agent)
    elif made.project_id:
        turn.waiting.add(made.project_id)


def write_down(turn: Turn) -> Transaction[list[Row]]:
    """Write what a turn has gathered; it is empty then.

    Returns:
        (id, seq, updated_at, status, tasks_open, tasks_total, tasks_succeeded, workspace,
        whether something waits for a person or the budget) of each project that was touched; one deleted in this
        transaction is not.
    """
    changes, events = turn.take()
    subtasks, turn.subtasks = turn.subtasks, []
    gifts, turn.gifts = turn.gifts, []
    copies, turn.copies = turn.copies, []
    shown = turn.take_counts()
    if not changes:
        return []
    (projects,) = yield Fused(
        FUSED,
        (subtasks, gifts, changes, [one.numbered() for one in events], shown),
        partial(_write_in_steps, subtasks, gifts, changes, events, shown),
    )
    if copies:
        yield Many(COPY_CALLS, copies)
    turn.touched.update(row[0] for row in projects)
    return list(projects)


def _write_in_steps(
    subtasks: list[tuple[Cell, ...]],
    gifts: list[tuple[str, str, int]],
    changes: list[tuple[str | int, ...]],
    events: list[EventRow],
    shown: list[tuple[str | int, ...]],
) -> Transaction[list[Row]]:
    if subtasks:
        yield Many(INSERT_SUBTASK, subtasks)
        yield Query(GIVE_SUBTASKS, (gifts,))
    projects = yield Query(COUNT_UP, (changes,))
    counts = {row[0]: row[1] for row in changes}
    before = {row[0]: (row[1] - counts[row[0]], row[2]) for row in projects}
    rows = [one.row(*before[one.project_id]) for one in events if one.project_id in before]
    if rows:
        yield Many(INSERT_EVENT, rows)
    if shown:
        yield Query(ADD_SHOWN, (shown,))
    return [projects]
