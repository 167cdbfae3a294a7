"""The order of starts: what the events of a project say about what each task had to wait for."""

from collections import defaultdict
from collections.abc import Iterator

from nexus.domain.states import TASK_TERMINAL
from tests.support.history import TASK_FOLDS, History, graph_of


class Order:
    """What holds a task back, as its project's history goes on; `open` are barriers passed."""

    def __init__(self, history: History) -> None:
        self.states: dict[int, str] = {}
        self.open: set[int] = set()
        self._tasks = len(history.tasks)
        self._order: dict[int, list[int]] = defaultdict(list)
        self._data: dict[int, list[int]] = defaultdict(list)
        for edge in graph_of(history).edges:
            (self._data if edge.data else self._order)[edge.target].append(edge.source)

    def missing(self, node: int) -> list[int]:
        """List the nodes that should have ended, and well where they feed this one, and did not."""
        unfed = [one for one in self._data[node] if self.states.get(one) != "succeeded"]
        return unfed + [one for one in self._order[node] if not self._is_over(one)]

    def _is_over(self, node: int) -> bool:
        if node < self._tasks:
            return self.states.get(node) in TASK_TERMINAL
        if node not in self.open and all(map(self._is_over, self._order[node])):
            self.open.add(node)
        return node in self.open


def early_starts(history: History) -> Iterator[str]:
    """Say which tasks started before what they depend on had ended well."""
    order = Order(history)
    nodes = {task["id"]: task["node"] for task in history.tasks}
    for event in history.events:
        what, _, how = event["type"].partition(".")
        if what == "project" and how == "retried":
            order.open.clear()
        if what != "task":
            continue
        node = nodes[event["task_id"]]
        order.states[node] = TASK_FOLDS.get(how, how)
        if how == "started" and (early := order.missing(node)):
            yield f"{history.id} seq {event['seq']}: {event['task_id']} started before {early}"
