"""The same machine with budgets: whatever happens, a call begins only while there is room."""

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from nexus.domain.budget import Budget
from nexus.domain.graph import compile_plan
from nexus.domain.plan import Plan
from nexus.domain.seam import Call, CallKind, Need, Recorded, Usage
from nexus.errors import Conflict, Fenced, OverBudget
from nexus.orchestrator import budgeting, creating, steering
from nexus.orchestrator.claiming import Claimed, due_subtasks
from nexus.orchestrator.creating import NewProject
from nexus.orchestrator.outcomes import Outcome, Problem
from nexus.orchestrator.queueing import Share
from nexus.orchestrator.recording import Begin, Done, Intent
from nexus.orchestrator.transitions.subtasks import Held
from nexus.orchestrator.value_files import Kept
from tests.domain.plans import AGENTS, plan_documents
from tests.orchestrator.bench import prove
from tests.orchestrator.books import WIDE, Books, Place, budgets
from tests.orchestrator.endings import good
from tests.orchestrator.test_machine import WORKERS, Engine
from tests.support.acts import claim

pick = st.integers(0, 1_000_000)
amounts = st.integers(0, 40)
spells = st.lists(st.integers(5, 40), min_size=4, max_size=8)


@dataclass
class Flight:
    """A call in flight, and whether there was a budget to reserve a part of."""

    held: Held
    need: Need
    is_reserved: bool


class Budgeting(Engine):
    """`open` are the calls in flight: who made them, and what each was expected to use."""

    def __init__(self) -> None:
        super().__init__()
        self.books = Books(self.ledger)
        self.open: dict[Place, Flight] = {}
        self.changed: set[str] = set()  # those to which a person gave more

    @initialize(budget=budgets, needs=spells, records=pick)
    def open_at_work(self, budget: Budget, needs: list[int], records: int) -> None:
        """Begin with a project at work: chance alone hardly gets to what this is about."""
        self.create_with(WIDE, budget, True)
        if records & 1:
            self.claim(WORKERS[0], 4)
            self.begin_side_by_side(WORKERS[0], needs[0])
        if records & 2:
            self.work(WORKERS[1], needs, 0)
            self.end_in_mid_call(True)
        for worker in WORKERS:
            self.work(worker, needs, records)

    @rule(plan=st.none() | plan_documents(most_tasks=6), budget=budgets, auto=st.booleans())
    def create_with(self, plan: Plan | None, budget: Budget, auto: bool) -> None:
        if len(self.projects) >= 3:
            return
        graph = compile_plan(plan, AGENTS) if plan else None
        new = NewProject("default", "Goal", "Name", plan, auto_execute=auto, budget=budget)
        made = self.ledger.run(lambda turn: creating.create_project(turn, new, graph))
        self.projects.append(made)

    @rule(worker=st.sampled_from(WORKERS), most=st.integers(1, 4))
    def claim(self, worker: str, most: int) -> None:
        ids = self.ledger.run(lambda turn: due_subtasks(most))
        taken = self.ledger.run(lambda turn: claim(turn, worker, ids))
        self.claims += taken
        for one in set(ids) - {one.held.subtask_id for one in taken}:
            (row,) = self.ledger.rows("SELECT status FROM subtasks WHERE id = ?", one)
            assert row["status"] in ("waiting", "queued")

    @precondition(lambda self: self.claims)
    @rule(which=pick, tokens=amounts, cost=amounts)
    def call_a_model(self, which: int, tokens: int, cost: int) -> None:
        """Ask to begin a call: it may exactly when the sums leave room."""
        claimed = self.claims[which % len(self.claims)]
        held, need = claimed.held, Need(tokens, cost)
        intent = self.intent_of(held, need)
        place = (held.subtask_id, intent.number)
        is_held = self.is_held(held)
        full = is_held and self.books.is_full(claimed.project_id, place)
        (answer,) = self.write(held.owner, [Begin(held, intent)], None)
        if not is_held:
            assert isinstance(answer, Fenced)
            return
        assert isinstance(answer, OverBudget) == full, (answer, full)
        if not full:
            self.numbers[held.subtask_id] = intent.number + 1
            self.open[place] = Flight(held, need, bool(self.books.budget_of(claimed.project_id)))
        elif not any(flight.held == held for flight in self.open.values()):
            self.hold_back(claimed, intent, need)

    @precondition(lambda self: self.projects)
    @rule(worker=st.sampled_from(WORKERS), needs=spells, records=pick)
    def work(self, worker: str, needs: list[int], records: int) -> None:
        """A spell of a worker, which chance alone would hardly put together."""
        self.reconcile()
        self.beat(worker)
        self.claim(worker, 4)
        for at, tokens in enumerate(needs):
            if self.claims:
                self.call_a_model(at, tokens, tokens)
            if self.open and records >> at & 1:
                self.record(at, tokens, tokens, again=False)

    @precondition(lambda self: any(map(self.books.waiting, self.projects)))
    @rule(which=pick, extra=st.integers(1, 50))
    def raise_what_is_in_the_way(self, which: int, extra: int) -> None:
        """A person gives more, and lets the project go on if it does not do so by itself."""
        stuck = [one for one in self.projects if self.books.waiting(one)]
        project_id = stuck[which % len(stuck)]
        before = self.books.budget_of(project_id)
        limits = before.limits if before else {}
        more = Budget({limit: most + extra for limit, most in limits.items()})
        self.set_budget(project_id, more)
        if self.status(project_id) == "waiting" and self.may("resume", project_id):
            self.ledger.run(partial(steering.resume, workspace="default", project_id=project_id))
            assert self.status(project_id) == "running"

    @precondition(lambda self: self.claims)
    @rule(worker=st.sampled_from(WORKERS), tokens=st.integers(1, 20))
    def begin_side_by_side(self, worker: str, tokens: int) -> None:
        """All that a worker holds asks at once: one commit grants no more than many."""
        need = Need(tokens, tokens)
        mine = {one.held: one for one in self.claims if one.held.owner == worker}
        wanted = [(one, self.intent_of(one.held, need)) for one in mine.values()]
        answers = self.write(worker, [Begin(one.held, intent) for one, intent in wanted], None)
        last: dict[str | None, Place] = {}
        is_plain = not self.books.woken()  # what was woken may give back some of what it was given
        for (one, intent), answer in zip(wanted, answers, strict=True):
            place = (one.held.subtask_id, intent.number)
            if isinstance(answer, OverBudget):
                assert self.books.is_full(one.project_id, place) or not is_plain
            elif not isinstance(answer, Fenced):
                last[one.project_id] = place
                has_budget = self.books.budget_of(one.project_id) is not None
                self.numbers[one.held.subtask_id] = intent.number + 1
                self.open[place] = Flight(one.held, need, has_budget)
        for at, place in last.items():
            assert not (is_plain and self.books.is_full(at, place)), "more than there was"

    @precondition(lambda self: self.open)
    @rule(well=st.booleans())
    def end_in_mid_call(self, well: bool) -> None:
        """Every run with a call in flight ends without waiting for it."""
        flying = {flight.held for flight in self.open.values()}
        for claimed in [one for one in self.claims if one.held in flying]:
            self.claims.remove(claimed)
            over = Outcome(problem=Problem("odd", "it failed", again=False))
            self.settle(claimed, good(claimed) if well else over, Share())

    def hold_back(self, claimed: Claimed, intent: Intent, need: Need) -> None:
        """What a run does whose call was refused and that has none in flight."""
        held, is_planned = claimed.held, self.status(claimed.project_id or "") == "planning"
        try:
            waits = self.ledger.run(
                lambda turn: budgeting.hold_back(turn, held, intent.number, need)
            )
        except OverBudget:
            assert is_planned
            self.claims.remove(claimed)
            over = Outcome(problem=Problem("budget_exhausted", "no room", again=False))
            self.settle(claimed, over, Share())
            return
        assert waits
        assert not is_planned
        assert not self.is_held(held)

    @precondition(lambda self: self.open)
    @rule(which=pick, tokens=amounts, cost=st.none() | amounts, again=st.booleans())
    def record(self, which: int, tokens: int, cost: int | None, again: bool) -> None:
        """A call comes to something, and not to what was expected."""
        place = list(self.open)[which % len(self.open)]
        flight = self.open.pop(place)
        held = flight.held
        usage = Usage(1, tokens, 0, cost)
        done = Done(
            held, self.intent_of(held, flight.need, place[1]), Recorded(None, usage), Kept("1")
        )
        is_held = self.is_held(held)
        for _ in range(1 + again):
            (answer,) = self.write(held.owner, [done], None)
            assert isinstance(answer, Fenced) != is_held

    @precondition(lambda self: self.projects)
    @rule(which=pick, budget=st.none() | budgets)
    def change(self, which: int, budget: Budget | None) -> None:
        """A person changes a budget: what is in flight was begun under the one before."""
        project_id = self.projects[which % len(self.projects)]
        self.set_budget(project_id, budget)
        if budget is None:
            for (subtask_id, _), flight in self.open.items():
                flight.is_reserved &= subtask_id not in self.books.subtasks(project_id)

    def set_budget(self, project_id: str, budget: Budget | None) -> None:
        self.ledger.run(lambda turn: creating.set_budget(turn, "default", project_id, budget))
        self.changed.add(project_id)

    @precondition(lambda self: self.projects)
    @rule(which=pick)
    def replan(self, which: int) -> None:
        """A person asks for an amendment; what it comes to is settled as any other subtask."""
        project_id = self.projects[which % len(self.projects)]
        with suppress(Conflict):
            self.ledger.run(lambda turn: steering.replan(turn, "default", project_id, None))

    @rule()
    def reconcile(self) -> None:
        super().reconcile()
        for project_id in self.ledger.run(lambda turn: budgeting.neglected()):
            self.ledger.run(partial(budgeting.look_after, project_id=project_id))
        assert not self.ledger.run(lambda turn: budgeting.neglected())
        for project_id in self.projects:
            if self.status(project_id) == "running" and self.books.waiting(project_id):
                assert self.books.is_full(project_id), "something waits though there is room"

    @invariant()
    def reserves_what_is_in_flight(self) -> None:
        kept = self.books.live()
        flying = {
            at
            for at, flight in self.open.items()
            if flight.is_reserved and self.is_held(flight.held)
        }
        assert flying <= kept.keys()
        for subtask_id, _ in kept.keys() - flying:
            assert subtask_id in self.books.woken(), "a part of the budget is nobody's"

    @invariant()
    def rests_only_when_a_person_has_to_act(self) -> None:
        for project_id in self.projects:
            if self.status(project_id) != "waiting":
                self.changed.discard(project_id)
            elif project_id not in self.changed:
                assert self.books.is_full(project_id)

    @invariant()
    def says_everything_once(self) -> None:
        for project_id in self.projects:
            told: set[tuple[str, str]] = set()
            for row in self.ledger.rows(
                "SELECT type, data FROM events WHERE project_id = ? AND type LIKE 'budget.%' "
                "ORDER BY seq",
                project_id,
            ):
                if row["type"] == "budget.set":
                    told.clear()
                    continue
                limit = row["data"].split('"')[3]
                assert (row["type"], limit) not in told
                told.add((row["type"], limit))

    def intent_of(self, held: Held, need: Need, number: int | None = None) -> Intent:
        at = self.numbers.get(held.subtask_id, 0) if number is None else number
        call = Call(CallKind.MODEL, "offline", "", "f" * 64, need=lambda: need)
        return Intent(call, at, 0, 0, Kept("null"))

    def may(self, act: str, project_id: str) -> bool:
        if act == "resume" and self.status(project_id) == "waiting":
            return self.books.waiting(project_id) and not self.books.is_full(project_id)
        return super().may(act, project_id)

    def finish_everything(self) -> None:
        """A person who lifts every budget brings everything to its end."""
        for project_id in self.projects:
            self.set_budget(project_id, None)
            if self.status(project_id) == "waiting":
                self.ledger.run(
                    partial(steering.resume, workspace="default", project_id=project_id)
                )
        super().finish_everything()
        assert all(self.status(one) != "waiting" for one in self.projects)


def test_no_order_of_calls_and_budgets_breaks_the_engine(empty: sqlite3.Connection) -> None:
    prove(Budgeting, empty)
