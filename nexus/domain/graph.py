"""A plan compiled to one graph of nodes and counters; pure.

Nodes are tasks and barriers between phases. A data edge carries output and failure from
a task to one that depends on it; an order edge only holds its target back. Barriers make
N x M ordering cost N + M edges.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from nexus.domain.plan import (
    Execution,
    Plan,
    PlanTask,
    find_problems,
    place_of,
    refuse,
)
from nexus.domain.states import TASK_TERMINAL, TaskState
from nexus.errors import FieldProblem

MAX_CYCLE_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Edge:
    """`source` before `target`; `data` edges also carry output and failure."""

    source: int
    target: int
    data: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes 0..n-1: first the tasks in plan order (`keys`), then `barriers` barrier nodes."""

    keys: tuple[str, ...]
    barriers: int
    edges: tuple[Edge, ...]

    @property
    def size(self) -> int:
        return len(self.keys) + self.barriers

    def blocked_by(self) -> list[int]:
        """Count the incoming edges of every node."""
        counts = [0] * self.size
        for edge in self.edges:
            counts[edge.target] += 1
        return counts

    def inputs_of(self, node: int) -> list[int]:
        """List the nodes whose output `node` receives, in plan order."""
        return sorted(edge.source for edge in self.edges if edge.target == node and edge.data)


def compile_plan(plan: Plan, agents: frozenset[str]) -> Graph:
    """Validate a plan and compile it.

    Raises:
        InvalidInput: with the place of every problem; a cycle is named by its keys.
    """
    refuse(find_problems(plan, agents))
    rows = list(plan.tasks())
    keys = tuple(task.key for _, _, task in rows)
    index = {key: node for node, key in enumerate(keys)}
    edges: dict[tuple[int, int], bool] = {}
    for node, (at, position, task) in enumerate(rows):
        for key in task.depends_on:
            edges[index[key], node] = True
        if plan.phases[at].execution is Execution.SEQUENTIAL and position:
            edges[node - 1, node] = True
    barriers = _phase_barriers(plan, len(keys), edges)
    graph = Graph(keys, barriers, tuple(Edge(s, t, data) for (s, t), data in edges.items()))
    cycle = find_cycle(graph)
    if cycle:
        refuse([_cycle_problem(cycle, graph, rows)])
    return graph


def _phase_barriers(plan: Plan, tasks: int, edges: dict[tuple[int, int], bool]) -> int:
    """Add one barrier node between each two phases of a sequential plan."""
    if plan.execution is Execution.PARALLEL:
        return 0
    first = 0
    for at, phase in enumerate(plan.phases):
        members = range(first, first + len(phase.tasks))
        first += len(phase.tasks)
        if at:
            opener = tasks + at - 1
            edges.update({(opener, node): False for node in members})
        if at < len(plan.phases) - 1:
            closer = tasks + at
            edges.update({(node, closer): False for node in members})
            if at:
                # A phase may be skipped whole before it opens; the next still waits its turn.
                edges[tasks + at - 1, closer] = False
    return len(plan.phases) - 1


def _cycle_problem(
    cycle: list[int], graph: Graph, rows: list[tuple[int, int, PlanTask]]
) -> FieldProblem:
    names = [graph.keys[node] for node in cycle if node < len(graph.keys)]
    shown = names[:MAX_CYCLE_SHOWN]
    path = " -> ".join([*shown, *(["..."] if len(names) > len(shown) else []), names[0]])
    if len(names) < len(cycle):
        path += " (it runs backwards through the order of the phases)"
    at, position, _ = rows[cycle[0] if cycle[0] < len(rows) else graph.keys.index(names[0])]
    return FieldProblem(place_of(at, position, "depends_on"), f"dependency cycle: {path}")


def find_cycle(graph: Graph) -> list[int]:
    """Return the nodes of one cycle in order, or an empty list."""
    blocked = graph.blocked_by()
    targets: list[list[int]] = [[] for _ in range(graph.size)]
    for edge in graph.edges:
        targets[edge.source].append(edge.target)
    ready = [node for node, count in enumerate(blocked) if not count]
    while ready:
        for target in targets[ready.pop()]:
            blocked[target] -= 1
            if not blocked[target]:
                ready.append(target)
    left = {node for node, count in enumerate(blocked) if count}
    if not left:
        return []
    return _walk_back(left, graph.edges)


def _walk_back(left: set[int], edges: Iterable[Edge]) -> list[int]:
    """Follow sources inside `left` (each node there has one) until a node repeats."""
    source = {edge.target: edge.source for edge in edges if {edge.source, edge.target} <= left}
    node = min(left)
    path: list[int] = []
    position: dict[int, int] = {}
    while node not in position:
        position[node] = len(path)
        path.append(node)
        node = source[node]
    cycle = path[position[node] :][::-1]
    start = cycle.index(min(cycle))
    return cycle[start:] + cycle[:start]


@dataclass(slots=True)
class Progress:
    """A graph in motion, held in memory: for failures, retries and tests.

    `states` gives each task node's state; barrier nodes have none and are open or not.
    """

    graph: Graph
    states: list[TaskState]

    def settle_skips(self) -> list[int]:
        """Skip every pending task that a failed, cancelled or skipped one feeds; list them in order."""
        feeds: dict[int, list[int]] = {}
        for edge in self.graph.edges:
            if edge.data:
                feeds.setdefault(edge.source, []).append(edge.target)
        unsound = [
            n
            for n, s in enumerate(self.states)
            if s in TASK_TERMINAL and s is not TaskState.SUCCEEDED
        ]
        skipped: list[int] = []
        while unsound:
            for target in feeds.get(unsound.pop(), ()):
                if self.states[target] is TaskState.PENDING:
                    self.states[target] = TaskState.SKIPPED
                    skipped.append(target)
                    unsound.append(target)
        return sorted(skipped)

    def culprit(self) -> str:
        """Name the first task that is over and did not succeed, of which others may be skipped."""
        over = (TaskState.FAILED, TaskState.CANCELLED, TaskState.SKIPPED)
        found = [
            key for key, state in zip(self.graph.keys, self.states, strict=True) if state in over
        ]
        return found[0] if found else ""

    def blocked_by(self) -> list[int]:
        """Count, for every node, the sources that are not over yet; a barrier is over when nothing blocks it."""
        tasks = len(self.graph.keys)
        sources: list[list[int]] = [[] for _ in range(self.graph.size)]
        for edge in self.graph.edges:
            sources[edge.target].append(edge.source)
        over = [state in TASK_TERMINAL for state in self.states] + [False] * self.graph.barriers
        for barrier in range(tasks, self.graph.size):
            over[barrier] = all(over[source] for source in sources[barrier])
        return [sum(not over[source] for source in found) for found in sources]

    def ready(self) -> list[int]:
        """List the pending tasks that nothing holds back."""
        blocked = self.blocked_by()
        return [
            node
            for node, state in enumerate(self.states)
            if state is TaskState.PENDING and not blocked[node]
        ]
