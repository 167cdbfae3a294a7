"""Any order of acts, claims, outcomes, deaths and zombies keeps the tables and the history true."""

import sqlite3
from functools import partial

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    invariant,
    precondition,
    rule,
)

from nexus.domain.graph import compile_plan
from nexus.domain.plan import Plan
from nexus.domain.seam import Call, CallKind, Recorded, Usage
from nexus.errors import Conflict, Fenced
from nexus.orchestrator import creating, reconciler, steering
from nexus.orchestrator.batch import (
    TAKEN_IN_A_ROW,
    Answer,
    Claim,
    Settle,
    Wish,
    write_batch,
)
from nexus.orchestrator.claiming import Claimed, due_subtasks, release_all
from nexus.orchestrator.creating import NewProject
from nexus.orchestrator.material import Recall
from nexus.orchestrator.membership import beat, declare_gone
from nexus.orchestrator.outcomes import Outcome, Problem
from nexus.orchestrator.queueing import Share
from nexus.orchestrator.recording import Begin, Done, Intent
from nexus.orchestrator.transitions.subtasks import Held
from nexus.orchestrator.value_files import Kept
from tests.domain.plans import AGENTS, plan_documents
from tests.orchestrator.bench import Ledger, Machine, prove
from tests.orchestrator.endings import good
from tests.orchestrator.folding import check_project
from tests.support.acts import ACTS, claim, settle

WORKERS = ("wrk_a", "wrk_b")
LEASE_SECONDS = 15.0

pick = st.integers(0, 1_000_000)


class Engine(Machine):
    """`claims` are what workers believe they hold; zombies keep theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(self.empty)
        self.claims: list[Claimed] = []
        self.projects: list[str] = []
        self.numbers: dict[str, int] = {}
        self.recall = Recall()
        for worker in WORKERS:
            self.beat(worker)

    def teardown(self) -> None:
        self.finish_everything()
        self.ledger.close()

    @rule(plan=st.none() | plan_documents(most_tasks=6), auto=st.booleans())
    def create(self, plan: Plan | None, auto: bool) -> None:
        if len(self.projects) >= 3:
            return
        graph = compile_plan(plan, AGENTS) if plan else None
        new = NewProject("default", "Goal", "Name", plan, auto_execute=auto)
        made = self.ledger.run(lambda turn: creating.create_project(turn, new, graph))
        self.projects.append(made)

    @precondition(lambda self: self.projects)
    @rule(which=pick, act=st.sampled_from(list(ACTS)))
    def steer(self, which: int, act: str) -> None:
        project_id = self.projects[which % len(self.projects)]
        _, move = ACTS[act]
        legal = self.may(act, project_id)
        try:
            self.ledger.run(lambda turn: move(turn, "default", project_id))
        except Conflict:
            assert not legal
            return
        assert legal
        if act == "delete":
            self.projects.remove(project_id)
            assert not self.ledger.rows(
                "SELECT 1 FROM subtasks WHERE project_id = ?", project_id
            ) and not self.ledger.rows("SELECT 1 FROM events WHERE project_id = ?", project_id)

    @rule(worker=st.sampled_from(WORKERS), most=st.integers(1, 4))
    def claim(self, worker: str, most: int) -> None:
        ids = self.ledger.run(lambda turn: due_subtasks(most))
        lives = self.ledger.rows(
            "SELECT 1 FROM workers WHERE id = ? AND lease_until > ?", worker, self.ledger.now + 100
        )
        taken = self.ledger.run(lambda turn: claim(turn, worker, ids))
        assert len(taken) == (len(ids) if lives else 0)
        self.claims += taken

    @precondition(lambda self: self.claims)
    @rule(which=pick, free=st.integers(0, 3))
    def succeed(self, which: int, free: int) -> None:
        claimed = self.claims.pop(which % len(self.claims))
        self.settle(claimed, good(claimed), Share(free))

    @precondition(lambda self: self.claims)
    @rule(which=pick, again=st.booleans(), own=st.booleans(), after=st.sampled_from([None, 5.0]))
    def fail(self, which: int, again: bool, own: bool, after: float | None) -> None:
        claimed = self.claims.pop(which % len(self.claims))
        problem = Problem(
            "odd", "it failed", again=again, own_making=own, retry_after_seconds=after
        )
        self.settle(claimed, Outcome(problem=problem), Share())

    @precondition(lambda self: self.claims)
    @rule(which=pick)
    def settle_twice(self, which: int) -> None:
        claimed = self.claims[which % len(self.claims)]
        self.settle(claimed, good(claimed), Share())
        with pytest.raises(Fenced):
            self.ledger.run(lambda turn: settle(turn, claimed.held, good(claimed), Share()))

    @precondition(lambda self: self.claims)
    @rule(which=pick, interrupted=st.booleans())
    def call_a_model(self, which: int, interrupted: bool) -> None:
        claimed = self.claims[which % len(self.claims)]
        held, number = claimed.held, self.numbers.get(claimed.held.subtask_id, 0)
        intent = Intent(Call(CallKind.MODEL, "offline", "", "f" * 64), number, 0, 0, Kept("null"))
        is_held = self.is_held(held)
        done = Done(held, intent, Recorded(None, Usage(1, 10, 5, 7)), Kept("1"))
        wishes: list[list[Wish]] = [[Begin(held, intent)]]
        if not interrupted:
            wishes += [[done], [done]]
            self.numbers[held.subtask_id] = number + is_held
        for wish in wishes:
            (answer,) = self.write(held.owner, wish, None)
            assert is_held != isinstance(answer, Fenced)

    @precondition(lambda self: self.claims)
    @rule(worker=st.sampled_from(WORKERS), free=st.integers(0, 3), tired=st.booleans())
    def settle_all_at_once(self, worker: str, free: int, tired: bool) -> None:
        """Everything a worker holds ends in one batch, zombies' claims among it."""
        mine = [one for one in self.claims if one.held.owner == worker]
        if not mine:
            return
        self.claims = [one for one in self.claims if one.held.owner != worker]
        is_held = [self.is_held(one.held) for one in mine]
        wishes: list[Wish] = [
            Settle(one.held, _ending(at, one), TAKEN_IN_A_ROW - 1 if tired else 0)
            for at, one in enumerate(mine)
        ]
        answers = self.write(worker, [*wishes, Claim(())], Share(free, 1, worker))
        for holds, answer in zip(is_held, answers, strict=False):
            assert holds != isinstance(answer, Fenced)
            self.claims += answer if isinstance(answer, list) else []

    @rule(worker=st.sampled_from(WORKERS))
    def die(self, worker: str) -> None:
        """Lose the lease; what the worker believes to hold stays in its hands as a zombie's."""
        self.ledger.run(lambda turn: declare_gone([worker]))

    @rule(worker=st.sampled_from(WORKERS))
    def beat(self, worker: str) -> None:
        self.ledger.run(lambda turn: beat(worker, 4, LEASE_SECONDS))

    @rule(worker=st.sampled_from(WORKERS))
    def drain(self, worker: str) -> None:
        before = self.attempts()
        self.ledger.run(lambda turn: release_all(turn, worker, "worker stopped"))
        assert not self.ledger.rows("SELECT 1 FROM subtasks WHERE owner = ?", worker)
        assert self.attempts() == before

    @rule(seconds=st.sampled_from([1, 20, 400, 1_000]))
    def pass_time(self, seconds: int) -> None:
        self.ledger.now += seconds * 1_000_000

    @rule()
    def reconcile(self) -> None:
        ledger = self.ledger
        for held in ledger.run(lambda turn: reconciler._lost_claims()):
            ledger.run(partial(reconciler._return_lost, held=held))
        for overdue in ledger.run(lambda turn: reconciler._overdue(judging=True)):
            ledger.run(partial(reconciler._end_overdue, overdue=overdue))
        projects, others = ledger.run(lambda turn: reconciler._unannounced())
        stale = ledger.run(lambda turn: reconciler._stale())
        ledger.run(lambda turn: reconciler._announce(turn, projects, others + stale))
        unknown = ledger.rows(
            "SELECT 1 FROM subtasks s WHERE status = 'queued' AND run_at <= ? AND EXISTS "
            "(SELECT 1 FROM projects p WHERE p.id = s.project_id AND p.status <> 'paused') "
            "AND NOT EXISTS "
            "(SELECT 1 FROM subtasks o WHERE o.project_id = s.project_id "
            "AND o.status = 'queued' AND o.announced_at IS NOT NULL)",
            ledger.now,
        )
        assert not unknown, "due work that nobody was told of"

    @invariant()
    def holds(self) -> None:
        for project_id in self.projects:
            check_project(self.ledger, project_id)

    def write(self, worker: str, wishes: list[Wish], share: Share | None) -> list[Answer]:
        return self.ledger.run(lambda turn: write_batch(turn, worker, wishes, share, self.recall))

    def settle(self, claimed: Claimed, outcome: Outcome, share: Share) -> None:
        is_held = self.is_held(claimed.held)
        try:
            taken = self.ledger.run(lambda turn: settle(turn, claimed.held, outcome, share))
        except Fenced:
            assert not is_held
            return
        assert is_held
        assert len(taken) <= share.free_slots
        self.claims += taken

    def finish_everything(self) -> None:
        """Whatever happened: with a worker that lives, every project comes to its end."""
        for _ in range(200):
            self.ledger.now += 61_000_000
            self.beat(WORKERS[0])
            for paused in [at for at in self.projects if self.status(at) == "paused"]:
                self.ledger.run(partial(steering.resume, workspace="default", project_id=paused))
            self.reconcile()
            self.claim(WORKERS[0], 100)
            for one in self.claims:
                self.settle(one, good(one), Share())
            self.claims = []
            self.holds()
            if all(self.status(one) not in ("planning", "running") for one in self.projects):
                return
        raise AssertionError("a project does not end")

    def may(self, act: str, project_id: str) -> bool:
        """Whether the project's state allows an act of a person."""
        return self.status(project_id) in ACTS[act][0]

    def status(self, project_id: str) -> str:
        (row,) = self.ledger.rows("SELECT status FROM projects WHERE id = ?", project_id)
        return str(row["status"])

    def attempts(self) -> dict[str, int]:
        return {row["id"]: row["attempt"] for row in self.ledger.rows("SELECT * FROM subtasks")}

    def is_held(self, held: Held) -> bool:
        return bool(
            self.ledger.rows(
                "SELECT 1 FROM subtasks WHERE (id, claim, owner, status) = (?, ?, ?, 'running')",
                *(held.subtask_id, held.claim, held.owner),
            )
        )


def _ending(at: int, claimed: Claimed) -> Outcome:
    """Every third ends badly."""
    return Outcome(problem=Problem("odd", "it failed")) if at % 3 == 2 else good(claimed)


def test_no_order_of_events_breaks_the_engine(empty: sqlite3.Connection) -> None:
    prove(Engine, empty)
