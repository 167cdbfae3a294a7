"""The cost of a task does not grow with its project: counted in instructions, not in seconds."""

import sqlite3
from collections.abc import Iterator
from functools import partial

import pytest

from nexus.domain.graph import compile_plan
from nexus.domain.seam import Call, CallKind, Recorded, Usage
from nexus.orchestrator.batch import Claim, Settle, Wish, write_batch
from nexus.orchestrator.claiming import Claimed
from nexus.orchestrator.creating import NewProject, create_project
from nexus.orchestrator.material import Recall
from nexus.orchestrator.membership import beat
from nexus.orchestrator.outcomes import Outcome
from nexus.orchestrator.queueing import Share
from nexus.orchestrator.recording import Begin, Done, Intent
from nexus.orchestrator.value_files import Kept
from tests.orchestrator.bench import Ledger
from tests.support.rig import plan, task

WORKER = "wrk_a"
SMALL, LARGE = 50, 1_500
TOLERANCE = 1.3


@pytest.fixture
def ledger(empty: sqlite3.Connection) -> Iterator[Ledger]:
    made = Ledger(empty)
    made.run(lambda turn: beat(WORKER, 100, 60.0))
    yield made
    made.close()


def _start(ledger: Ledger, tasks: int) -> str:
    """Start a source before many tasks, each of which feeds the next; return its subtask's id."""
    document = plan(
        task("source"),
        *(task(f"t{n}", "echo", "source", *([f"t{n - 1}"] if n else [])) for n in range(tasks)),
    )
    new = NewProject("default", "Goal", "Name", document, auto_execute=True)
    graph = compile_plan(document, frozenset({"echo"}))
    project = ledger.run(lambda turn: create_project(turn, new, graph))
    (row,) = ledger.rows("SELECT id FROM subtasks WHERE project_id = ?", project)
    return str(row["id"])


def _write(ledger: Ledger, *wishes: Wish) -> tuple[list[Claimed], int]:
    """Write one batch; return what was taken over and the work it took."""
    share = Share(1, 1, WORKER)
    batch = partial(write_batch, worker_id=WORKER, wishes=wishes, share=share, recall=Recall())
    answers, work = ledger.work_of(lambda turn: batch(turn))
    return [one for answer in answers if isinstance(answer, list) for one in answer], work


def _step(ledger: Ledger, tasks: int) -> list[int]:
    """Count the work of a call, its record, a settlement with its take-over, and a claim."""
    (source,), claimed = _write(ledger, Claim((_start(ledger, tasks),)))
    (first,), _ = _write(ledger, Settle(source.held, Outcome("done"), 0))
    intent = Intent(Call(CallKind.MODEL, "offline", "", "f" * 64), 0, 0, 0, Kept("null"))
    _, begun = _write(ledger, Begin(first.held, intent))
    done = Done(first.held, intent, Recorded(None, Usage(1, 1, 1, 1)), Kept('"reply"'))
    _, recorded = _write(ledger, done)
    (_,), settled = _write(ledger, Settle(first.held, Outcome("done"), 0))
    return [claimed, begun, recorded, settled]


def test_every_hot_write_costs_the_same_in_a_large_project(ledger: Ledger) -> None:
    _step(ledger, SMALL)  # statements are prepared once
    small = _step(ledger, SMALL)
    large = _step(ledger, LARGE)
    assert all(more <= less * TOLERANCE for less, more in zip(small, large, strict=True)), (
        small,
        large,
    )
