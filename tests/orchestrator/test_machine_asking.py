"""The same machine, in which calls are unsafe, interrupted, asked about, answered and made again."""

import sqlite3
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
)

from nexus.domain.plan import Plan
from nexus.domain.seam import Call, CallKind, Effect, Recorded
from nexus.errors import Conflict, Fenced
from nexus.orchestrator.asking import ask, renew
from nexus.orchestrator.claiming import release_all
from nexus.orchestrator.deciding import Decision, decide
from nexus.orchestrator.recording import Begin, Done, Intent
from nexus.orchestrator.transitions.subtasks import Held
from nexus.orchestrator.value_files import Kept
from tests.domain.plans import plan_documents
from tests.orchestrator.bench import prove
from tests.orchestrator.test_machine import WORKERS, Engine
from tests.support.acts import claim

FIRST_NUMBER = 1_000
"""Unsafe calls are numbered apart from the model calls of the machine."""

pick = st.integers(0, 1_000_000)


def _intent(number: int) -> Intent:
    call = Call(CallKind.TOOL, "send", f"call {number}", "e" * 64, Effect.UNSAFE)
    return Intent(call, number, 0, 0, Kept("null"))


class Asking(Engine):
    """`used` remembers when each approval was used."""

    @initialize(plan=plan_documents(most_tasks=6))
    def open_at_work(self, plan: Plan) -> None:
        """Begin with a project at work: chance alone hardly gets to what this is about."""
        self.used: dict[str, int] = {}
        self.next = FIRST_NUMBER
        self.create(plan, auto=True)
        self.claim(WORKERS[0], 2)

    @precondition(lambda self: self.claims)
    @rule(which=pick, interrupted=st.booleans())
    def call_what_is_unsafe(self, which: int, interrupted: bool) -> None:
        held = self.claims[which % len(self.claims)].held
        self.next += 1
        self.make(held, self.next, interrupted=interrupted)

    def make(self, held: Held, number: int, *, interrupted: bool) -> None:
        is_held = self.is_held(held)
        (answer,) = self.write(held.owner, [Begin(held, _intent(number))], None)
        assert isinstance(answer, Fenced) != is_held
        if is_held and not interrupted:
            self.record(held, number)

    def record(self, held: Held, number: int) -> None:
        (answer,) = self.write(
            held.owner, [Done(held, _intent(number), Recorded(None), Kept('"sent"'))], None
        )
        assert answer == []

    @precondition(lambda self: self.claims)
    @rule(which=pick, calls=st.integers(1, 2))
    def die_inside_what_is_unsafe(self, which: int, calls: int) -> None:
        """The whole way, which chance alone would hardly find."""
        held = self.claims[which % len(self.claims)].held
        for _ in range(calls):
            self.call_what_is_unsafe(which, interrupted=True)
        self.ledger.run(lambda turn: release_all(turn, held.owner, "worker stopped"))
        taken = self.ledger.run(lambda turn: claim(turn, held.owner, [held.subtask_id]))
        self.claims += taken
        for one in taken:
            self.begin_anew(one.held)

    @precondition(lambda self: self.claims)
    @rule(which=pick)
    def ask(self, which: int) -> None:
        self.begin_anew(self.claims[which % len(self.claims)].held)

    def begin_anew(self, held: Held) -> None:
        """Begin from the journal, as every claim with a history does."""
        doubtful = self.ledger.rows(
            "SELECT number FROM journal WHERE subtask_id = ? AND status = 'begun' "
            "AND effect = 'unsafe' AND claim < ?",
            held.subtask_id,
            held.claim,
        )
        try:
            asked = self.ledger.run(lambda turn: ask(turn, held))
        except Fenced:
            assert not self.is_held(held)
            return
        assert asked == bool(doubtful)
        assert self.is_held(held) != asked
        if asked:
            pending = self.approvals("subtask_id = ? AND status = 'pending'", held.subtask_id)
            assert {row["number"] for row in pending} == {row["number"] for row in doubtful}

    @precondition(lambda self: self.approvals("1 = 1"))
    @rule(which=pick, approve=st.booleans(), value=st.sampled_from([None, "by hand"]))
    def answer(self, which: int, approve: bool, value: str | None) -> None:
        rows = self.approvals("1 = 1")
        row = rows[which % len(rows)]
        decision = Decision(approve, "key_1", None, approve and value is not None, value)
        before = self.attempts()
        try:
            self.ledger.run(lambda turn: decide(turn, "default", row["id"], decision))
        except Conflict:
            assert row["status"] != "pending"
            return
        assert row["status"] == "pending"
        assert self.attempts() == before

    @precondition(lambda self: self.claims and self.approvals("status = 'approved'"))
    @rule(which=pick, interrupted=st.booleans())
    def make_what_was_approved(self, which: int, interrupted: bool) -> None:
        held = self.claims[which % len(self.claims)].held
        rows = self.ledger.rows(
            "SELECT number FROM journal WHERE subtask_id = ? AND status = 'approved'",
            held.subtask_id,
        )
        if not rows:
            return
        number, is_held = rows[0]["number"], self.is_held(held)
        try:
            for _ in range(2):
                self.ledger.run(lambda turn: renew(held, number))
            if not interrupted:
                self.record(held, number)
        except Fenced:
            assert not is_held
            return
        assert is_held

    @invariant()
    def uses_each_approval_once(self) -> None:
        kept = self.approvals("used_at IS NOT NULL")
        for row in kept:
            assert self.used.setdefault(row["id"], row["used_at"]) == row["used_at"]

    def approvals(self, condition: str, *values: Any) -> list[sqlite3.Row]:
        return self.ledger.rows(f"SELECT * FROM approvals WHERE {condition} ORDER BY id", *values)

    def finish_everything(self) -> None:
        """A person who answers everything brings every project to its end."""
        for row in self.approvals("status = 'pending'"):
            decision = Decision(True, "key_1")
            approval_id: str = row["id"]
            self.ledger.run(_decide(approval_id, decision))
        super().finish_everything()
        assert all(self.status(one) != "waiting" for one in self.projects)


def _decide(approval_id: str, decision: Decision) -> Any:
    return lambda turn: decide(turn, "default", approval_id, decision)


def test_no_order_of_questions_and_answers_breaks_the_engine(empty: sqlite3.Connection) -> None:
    prove(Asking, empty, examples=100)
