"""Any plan: order, barriers, skips and cycles, against rules written the slow and plain way."""

from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from nexus.domain.graph import Graph, Progress, compile_plan
from nexus.domain.plan import Execution, Plan
from nexus.domain.states import TASK_TERMINAL, TaskState
from nexus.errors import InvalidInput
from tests.domain.plans import AGENTS, plan_documents


class Rules:
    """What the plan document says, read straight from it."""

    def __init__(self, plan: Plan) -> None:
        rows = list(plan.tasks())
        self.keys = [task.key for _, _, task in rows]
        index = {key: node for node, key in enumerate(self.keys)}
        self.data: dict[int, set[int]] = {node: set() for node in range(len(rows))}
        self.order: dict[int, set[int]] = {node: set() for node in range(len(rows))}
        for node, (at, position, task) in enumerate(rows):
            self.data[node] |= {index[key] for key in task.depends_on}
            if plan.phases[at].execution is Execution.SEQUENTIAL and position:
                self.data[node].add(node - 1)
            if plan.execution is Execution.SEQUENTIAL:
                self.order[node] |= {other for other, row in enumerate(rows) if row[0] < at}

    def before(self, node: int) -> set[int]:
        return self.data[node] | self.order[node]

    def fed_by(self, node: int) -> set[int]:
        """All tasks `node` is downstream of along data."""
        found: set[int] = set()
        waiting = [node]
        while waiting:
            for source in self.data[waiting.pop()] - found:
                found.add(source)
                waiting.append(source)
        return found

    def has_cycle(self) -> bool:
        left = set(self.data)
        while left:
            free = {node for node in left if not self.before(node) & left}
            if not free:
                return True
            left -= free
        return False


@given(plan_documents(), st.data())
def test_any_plan_runs_to_its_end_in_order(plan: Plan, data: st.DataObject) -> None:
    rules, graph = Rules(plan), compile_plan(plan, AGENTS)
    progress = Progress(graph, [TaskState.PENDING] * len(graph.keys))
    failed: set[int] = set()

    while ready := progress.ready():
        expected = [
            node
            for node, state in enumerate(progress.states)
            if state is TaskState.PENDING
            and all(progress.states[other] in TASK_TERMINAL for other in rules.before(node))
        ]
        assert ready == expected
        node = data.draw(st.sampled_from(ready))
        assert all(progress.states[other] is TaskState.SUCCEEDED for other in rules.data[node])
        succeeds = data.draw(st.booleans())
        progress.states[node] = TaskState.SUCCEEDED if succeeds else TaskState.FAILED
        if not succeeds:
            failed.add(node)
        progress.settle_skips()

    for node, state in enumerate(progress.states):
        assert state in TASK_TERMINAL
        assert (state is TaskState.SKIPPED) == bool(rules.fed_by(node) & failed)
        assert (state is TaskState.FAILED) == (node in failed)


@given(plan_documents(forward=False))
def test_a_cycle_is_found_exactly_when_there_is_one_and_named_truly(plan: Plan) -> None:
    rules = Rules(plan)
    if not rules.has_cycle():
        assert compile_plan(plan, AGENTS).keys == tuple(rules.keys)
        return
    try:
        compile_plan(plan, AGENTS)
    except InvalidInput as wrong:
        (problem,) = wrong.problems
    else:
        raise AssertionError("the cycle was not found")
    path = problem.message.removeprefix("dependency cycle: ").split(" (")[0].split(" -> ")
    assume("..." not in path)
    assert path[0] == path[-1]
    nodes = [rules.keys.index(key) for key in path]
    for source, target in pairwise(nodes):
        assert source in rules.before(target), problem.message


@given(plan_documents())
def test_counters_are_what_counting_says(plan: Plan) -> None:
    graph: Graph = compile_plan(plan, AGENTS)
    assert Progress(graph, [TaskState.PENDING] * len(graph.keys)).blocked_by() == graph.blocked_by()
