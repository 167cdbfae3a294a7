"""The same machine, in which reviews reject, accept and come to nothing, in any order."""

import sqlite3

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from nexus.domain.plan import Plan
from nexus.domain.states import SubtaskKind
from nexus.domain.verdict import Finding, Verdict
from nexus.orchestrator.outcomes import Outcome
from nexus.orchestrator.queueing import Share
from tests.domain.plans import plan_documents
from tests.orchestrator.bench import prove
from tests.orchestrator.endings import good
from tests.orchestrator.test_machine import WORKERS, Engine

REJECTED = Verdict(
    accepted=False,
    findings=(Finding(criterion="It is done.", met=False, evidence="nothing", fix="do it"),),
)

pick = st.integers(0, 1_000_000)


class Reviewing(Engine):
    """Most tasks of its plans are reviewed, and many outputs rejected."""

    @initialize(plan=plan_documents(most_tasks=6))
    def open_at_work(self, plan: Plan) -> None:
        """Begin with a project at work."""
        self.create(plan, auto=True)
        self.claim(WORKERS[0], 4)

    @precondition(lambda self: self.reviews())
    @rule(which=pick, free=st.integers(0, 2))
    def reject(self, which: int, free: int) -> None:
        reviews = self.reviews()
        at = reviews[which % len(reviews)]
        claimed = self.claims.pop(at)
        self.settle(claimed, Outcome(verdict=REJECTED), Share(free))

    @rule(worker=st.sampled_from(WORKERS))
    def take_and_reject_all(self, worker: str) -> None:
        """The whole way to a last rejection, which chance alone would hardly find."""
        for _ in range(6):
            self.claim(worker, 100)
            mine = [one for one in self.claims if one.held.owner == worker]
            self.claims = [one for one in self.claims if one.held.owner != worker]
            for one in mine:
                is_review = one.kind is SubtaskKind.REVIEW
                self.settle(one, Outcome(verdict=REJECTED) if is_review else good(one), Share())
                self.holds()

    def reviews(self) -> list[int]:
        return [at for at, one in enumerate(self.claims) if one.kind is SubtaskKind.REVIEW]


def test_no_order_of_verdicts_breaks_the_engine(empty: sqlite3.Connection) -> None:
    prove(Reviewing, empty)
