"""Plans that are edited and amended at any moment, beside questions to a person, keep every rule."""

import sqlite3

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from nexus.domain.graph import compile_plan
from nexus.domain.plan import Plan
from nexus.domain.states import SubtaskKind
from nexus.errors import Conflict, Fenced, InvalidInput
from nexus.orchestrator import steering
from nexus.orchestrator.amending import Amendment
from nexus.orchestrator.outcomes import Outcome
from nexus.orchestrator.queueing import Share
from tests.domain.plans import AGENTS, plan_documents
from tests.orchestrator.bench import prove
from tests.orchestrator.test_machine_asking import Asking
from tests.support.acts import settle

pick = st.integers(0, 1_000_000)


class Amending(Asking):
    """Every so often somebody has another idea of what is left to do."""

    @initialize(plan=plan_documents(most_tasks=6))
    def open_at_work(self, plan: Plan) -> None:
        """Begin with a project at work."""
        super().open_at_work(plan)

    @precondition(lambda self: self.projects)
    @rule(which=pick, plan=plan_documents(most_tasks=6))
    def edit(self, which: int, plan: Plan) -> None:
        project_id = self.projects[which % len(self.projects)]
        status, before = self.status(project_id), self.version(project_id)
        new = Amendment(plan, compile_plan(plan, AGENTS), "user", "edited")
        try:
            version = self.ledger.run(
                lambda turn: steering.edit_plan(turn, "default", project_id, new, None)
            )
        except Conflict as refused:
            assert refused.reason == "task_at_work" or status not in steering.EDITED or not before
            return
        except InvalidInput:
            assert self.version(project_id) == before
            return
        assert status in steering.EDITED
        assert version == self.version(project_id) == before + 1

    @precondition(lambda self: self.projects)
    @rule(which=pick)
    def replan(self, which: int) -> None:
        project_id = self.projects[which % len(self.projects)]
        status = self.status(project_id)
        try:
            self.ledger.run(lambda turn: steering.replan(turn, "default", project_id, "again"))
        except Conflict as refused:
            is_open = refused.reason == "already_replanning"
            assert is_open or status not in steering.REPLANNED or not self.version(project_id)
            return
        assert status in steering.REPLANNED

    @precondition(lambda self: any(one.kind is SubtaskKind.REPLAN for one in self.claims))
    @rule(which=pick, plan=plan_documents(most_tasks=6))
    def amend(self, which: int, plan: Plan) -> None:
        asked = [one for one in self.claims if one.kind is SubtaskKind.REPLAN]
        claimed = asked[which % len(asked)]
        self.claims.remove(claimed)
        is_held = self.is_held(claimed.held)
        outcome = Outcome("{}", plan, compile_plan(plan, AGENTS), amends=True)
        try:
            self.ledger.run(lambda turn: settle(turn, claimed.held, outcome, Share()))
        except Fenced:
            assert not is_held
            return
        assert is_held

    def version(self, project_id: str) -> int:
        (row,) = self.ledger.rows("SELECT plan_version FROM projects WHERE id = ?", project_id)
        version: int = row["plan_version"]
        return version


def test_no_order_of_amendments_breaks_the_engine(empty: sqlite3.Connection) -> None:
    prove(Amending, empty)
