"""The machine of questions, in which work is split into parts that end in any order, or in no good one."""

import sqlite3

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from nexus.domain.delegation import Part
from nexus.domain.seam import Call, CallKind, Json
from nexus.errors import Fenced
from nexus.orchestrator import delegating
from nexus.orchestrator.claiming import Claimed
from nexus.orchestrator.queueing import Share
from nexus.orchestrator.recording import Intent
from nexus.orchestrator.value_files import Kept
from tests.orchestrator.bench import prove
from tests.orchestrator.endings import good
from tests.orchestrator.test_machine import WORKERS
from tests.orchestrator.test_machine_asking import Asking

pick = st.integers(0, 1_000_000)


class Delegating(Asking):
    """`met` counts the calls that a subtask has delegated and got back."""

    def __init__(self) -> None:
        super().__init__()
        self.met: dict[str, int] = {}

    @precondition(lambda self: self.splitting())
    @rule(which=pick, parts=st.integers(1, 3))
    def split(self, which: int, parts: int) -> None:
        """Delegate, or take in what was delegated under an earlier claim; zombies may not."""
        able = self.splitting()
        claimed = self.claims[able[which % len(able)]]
        is_held = self.is_held(claimed.held)
        known = self.children(claimed)
        try:
            results = self.delegate(claimed, parts)
        except Fenced:
            assert not is_held
            return
        assert is_held
        self.claims = [one for one in self.claims if one is not claimed or results is not None]
        children = self.children(claimed)
        assert len(children) == (len(known) or parts)
        if results is None:
            assert not known
            assert not self.is_held(claimed.held)
            return
        assert children == known
        assert all(one["status"] in ("succeeded", "failed") for one in children)
        assert [one["status"] for one in results if isinstance(one, dict)] == [
            one["status"] for one in children
        ]
        self.met[claimed.held.subtask_id] = self.number(claimed) + 1

    @precondition(lambda self: self.claims)
    @rule(worker=st.sampled_from(WORKERS), parts=st.integers(1, 3))
    def split_and_end_all(self, worker: str, parts: int) -> None:
        """The whole way out and back, which chance alone would hardly find."""
        for at in self.splitting():
            if self.is_held(self.claims[at].held):
                self.delegate(self.claims[at], parts)
        self.claims = [one for one in self.claims if self.is_held(one.held)]
        self.settle_all_at_once(worker, 3, tired=False)
        self.claim(worker, 100)
        self.settle_all_at_once(worker, 0, tired=False)

    @precondition(lambda self: self.splitting())
    @rule(which=pick, others_first=st.booleans())
    def split_and_ask(self, which: int, others_first: bool) -> None:
        """One part waits for a person while its siblings end, or after they have."""
        able = self.splitting()
        claimed = self.claims[able[which % len(able)]]
        worker = claimed.held.owner
        if not self.is_held(claimed.held) or self.delegate(claimed, 2) is not None:
            return
        self.beat(worker)
        self.claim(worker, 100)
        of = {row["id"] for row in self.children(claimed)}
        parts = [one for one in self.claims if one.held.subtask_id in of and self.is_held(one.held)]
        if len(parts) < 2:
            return
        for one in parts[:1] if others_first else []:
            self.claims.remove(one)
            self.settle(one, good(one), Share())
            self.holds()
        self.die_inside_what_is_unsafe(self.claims.index(parts[1]), 1)
        self.holds()
        for one in [] if others_first else parts[:1]:
            self.claims = [at for at in self.claims if at.held.subtask_id != one.held.subtask_id]
            self.claim(worker, 100)
            again = [at for at in self.claims if at.held.subtask_id == one.held.subtask_id]
            for at in again:
                self.claims.remove(at)
                self.settle(at, good(at), Share())
        self.holds()
        if others_first:
            return
        for row in self.approvals("status = 'pending'"):
            self.answer(self.approvals("1 = 1").index(row), True, None)
            self.holds()

    @rule()
    def find_nothing_to_mend(self) -> None:
        assert self.ledger.run(lambda turn: delegating._neglected()) == []

    def delegate(self, claimed: Claimed, count: int) -> list[Json] | None:
        parts = tuple(Part("echo", f"Do {n}.", f"Part {n}") for n in range(count))
        call = Call(CallKind.STEP, "delegate", "delegate", "d" * 64, parts=parts)
        intent = Intent(call, self.number(claimed), 0, 0, Kept("null"))
        return self.ledger.run(lambda turn: delegating.delegate(turn, claimed, intent))

    def number(self, claimed: Claimed) -> int:
        """The journal numbers of delegations are far from those of model calls."""
        return self.met.get(claimed.held.subtask_id, 1_000)

    def children(self, claimed: Claimed) -> list[sqlite3.Row]:
        return self.ledger.rows(
            "SELECT s.* FROM parts p JOIN subtasks s ON s.id = p.subtask_id "
            "WHERE p.parent_id = ? AND p.number = ? ORDER BY p.place",
            claimed.held.subtask_id,
            self.number(claimed),
        )

    def splitting(self) -> list[int]:
        return [at for at, one in enumerate(self.claims) if one.kind in delegating.SPLITTING]


def test_no_order_of_parts_breaks_the_engine(empty: sqlite3.Connection) -> None:
    prove(Delegating, empty)
