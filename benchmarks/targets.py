"""What Nexus is meant to reach, and whether the records say that it does."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from benchmarks.figures import figure, short, spread
from benchmarks.ratios import ratios
from benchmarks.records import NEXUS, Book
from benchmarks.shapes import Sizes

LEASE_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target: `room` is how far on the right side of the limit the figure is, 1.0 being on it."""

    workload: str
    database: str
    target: str
    measured: str
    room: float

    @property
    def is_met(self) -> bool:
        return self.room >= 1.0


@dataclass(frozen=True, slots=True)
class Ratio:
    """A target against a peer: Nexus ÷ peer, at most or at least `limit`."""

    workload: str
    peer: str
    limit: float
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """A target in the figure's own unit: at most `limit`, or at least."""

    workload: str
    name: str
    what: str
    limit: float
    unit: str


RATIOS: Final = {
    "sqlite": (
        Ratio("w1", "langgraph", 1.0),
        Ratio("w2", "langgraph", 1.5, at_least=True),
        Ratio("w2", "dbos-queues", 10.0, at_least=True),
        Ratio("w5", "langgraph", 1.0),
    ),
    "postgresql": (
        Ratio("w1", "langgraph", 1.0),
        Ratio("w1", "dbos", 1.0),
        Ratio("w2", "langgraph", 1.5, at_least=True),
        Ratio("w2", "dbos", 1.5, at_least=True),
        Ratio("w2", "dbos-queues", 10.0, at_least=True),
        Ratio("w5", "langgraph", 1.0),
    ),
}
LIMITS: Final = (
    Limit("w3", "seconds", "makespan", 1.10, "s"),
    Limit("w3", "pss_mb", "memory of all processes", 350.0, "MB"),
    Limit("commits", "commits_a_round", "commits a round of W5", 2.0, ""),
    Limit("w6-restart", "again", "finished tasks run again", 0.0, ""),
    Limit("w6-restart", "taken_back_seconds", "kill to lost tasks at work again", 2.0, "s"),
    Limit("w6-neighbour", "again", "finished tasks run again", 0.0, ""),
    Limit("w6-neighbour", "taken_back_seconds", "kill to another worker", 2.0, "s"),
    Limit("w6-elsewhere", "again", "finished tasks run again", 0.0, ""),
    Limit(
        "w6-elsewhere",
        "taken_back_seconds",
        "kill to a worker of another machine",
        LEASE_SECONDS + 2.0,
        "s",
    ),
    Limit("w7-10000", "phases_p99_ms", "progress of phases, p99", 20.0, "ms"),
    Limit("w7-10000", "whole_p99_ms", "whole progress, p99", 60.0, "ms"),
)
GRAPH_LIMIT: Final = 1.03
GROWTH_LIMIT: Final = 1.3
FLEET_LIMIT: Final = 1.6


def judge(book: Book, sizes: Sizes) -> Iterator[Verdict]:
    """Compare the records with every target that they say something about."""
    for database in dict.fromkeys(one.database for one in book.records):
        for target in RATIOS[database]:
            yield from _judge_ratio(book, sizes, database, target)
        yield from _judge_graph(book, sizes, database)
        for limit in LIMITS:
            yield from _judge_limit(book, database, limit)
        yield from _judge_growth(book, database)
    yield from _judge_fleet(book)


def _judge_ratio(book: Book, sizes: Sizes, database: str, target: Ratio) -> Iterator[Verdict]:
    found = ratios(book, sizes, (NEXUS, target.peer), (database, target.workload))
    if found:
        middle = spread(found)
        sign = "≥" if target.at_least else "≤"
        wanted = f"{sign} {short(target.limit)} × {target.peer}"
        room = middle.median / target.limit if target.at_least else target.limit / middle.median
        yield Verdict(target.workload, database, wanted, f"{middle} ×", room)


def _judge_graph(book: Book, sizes: Sizes, database: str) -> Iterator[Verdict]:
    seconds = book.values(NEXUS, database, "w4", "seconds").values()
    if seconds:
        middle = spread([figure("w4", one, sizes) for one in seconds])
        wanted = f"≤ {GRAPH_LIMIT} × critical path"
        yield Verdict("w4", database, wanted, f"{middle} ×", GRAPH_LIMIT / middle.median)


def _judge_limit(book: Book, database: str, target: Limit) -> Iterator[Verdict]:
    found = list(book.values(NEXUS, database, target.workload, target.name).values())
    if found:
        middle = spread(found)
        wanted = f"{target.what} ≤ {short(target.limit)} {target.unit}".strip()
        worst = middle.high if target.limit == 0.0 else middle.median
        room = target.limit / worst if worst else float("inf")
        measured = f"{middle} {target.unit}".strip()
        yield Verdict(target.workload, database, wanted, measured, room)


def _judge_growth(book: Book, database: str) -> Iterator[Verdict]:
    small = book.values(NEXUS, database, "w7-1000", "ms_a_task")
    large = book.values(NEXUS, database, "w7-10000", "ms_a_task")
    found = [large[turn] / small[turn] for turn in small.keys() & large.keys()]
    if found:
        middle = spread(found)
        wanted = f"ms a task ≤ {GROWTH_LIMIT} × that at 1,000"
        yield Verdict("w7-10000", database, wanted, f"{middle} ×", GROWTH_LIMIT / middle.median)


def _judge_fleet(book: Book) -> Iterator[Verdict]:
    speeds = {
        workers: list(
            book.values(NEXUS, "postgresql", f"w8-{workers}", "tasks_per_second").values()
        )
        for workers in (1, 2)
    }
    if all(speeds.values()):
        gain = statistics.median(speeds[2]) / statistics.median(speeds[1])
        wanted = f"2 workers ≥ {FLEET_LIMIT} × one"
        yield Verdict("w8-2", "postgresql", wanted, f"{short(gain)} ×", gain / FLEET_LIMIT)
