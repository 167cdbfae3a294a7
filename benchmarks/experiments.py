"""W6, W7, W8, the burden and the commits: what Nexus alone is measured at, several times over."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from benchmarks.burden import measure_burden
from benchmarks.commits import measure_commits
from benchmarks.crash import measure_crash
from benchmarks.figures import short
from benchmarks.fleet import measure_fleet
from benchmarks.records import NEXUS, Book, Record
from benchmarks.shapes import WHOLE, Sizes
from benchmarks.site import Site
from benchmarks.size import measure_sizes

EXPERIMENTS: Final = ("w6", "w7", "w8", "burden", "commits")


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of each experiment is done."""

    turns: int = 3
    sizes: Sizes = WHOLE
    crash_cases: tuple[tuple[str, str], ...] = (
        ("sqlite", "restart"),
        ("postgresql", "restart"),
        ("sqlite", "neighbour"),
        ("postgresql", "elsewhere"),
    )
    counts: tuple[int, ...] = (100, 1_000, 10_000)
    fleets: tuple[int, ...] = (1, 2, 4)
    fleet_tasks: int = 100
    flights: int = 500
    idle_seconds: float = 30.0


QUICK: Final = Extent(
    turns=1,
    crash_cases=(("sqlite", "restart"), ("postgresql", "restart")),
    counts=(100, 1_000),
    fleets=(1, 2),
    fleet_tasks=50,
    idle_seconds=5.0,
)


@dataclass(frozen=True, slots=True)
class Order:
    """Which experiments to do, and where."""

    workloads: tuple[str, ...]
    databases: tuple[str, ...]
    extent: Extent = Extent()


def experiment(site: Site, order: Order, book: Book) -> None:
    """Do what is ordered; say each figure at once."""
    for turn in range(order.extent.turns):
        for record in _turn(site, order, turn):
            book.records.append(record)
            shown = "  ".join(f"{name} {short(value)}" for name, value in record.figures.items())
            sys.stderr.write(f"{turn + 1}  {record.database:<10}  {record.workload:<12}  {shown}\n")
            sys.stderr.flush()


def _turn(site: Site, order: Order, turn: int) -> Iterator[Record]:
    for workload, measure in MEASURES.items():
        if workload in order.workloads:
            for database, name, figures in measure(site, order, turn):
                yield Record(NEXUS, database, name, turn, figures)


Found = Iterator[tuple[str, str, dict[str, float]]]


def _crashes(site: Site, order: Order, turn: int) -> Found:
    for database, case in order.extent.crash_cases:
        if database in order.databases:
            yield database, f"w6-{case}", measure_crash(site, database, case, order.extent.sizes)


def _sizes(site: Site, order: Order, turn: int) -> Found:
    counts = order.extent.counts
    for database in order.databases:
        found = measure_sizes(site, database, counts)
        for count, figures in zip(counts, found, strict=True):
            yield database, f"w7-{count}", figures


def _fleets(site: Site, order: Order, turn: int) -> Found:
    for workers in order.extent.fleets if "postgresql" in order.databases else ():
        figures = measure_fleet(site, workers, order.extent.fleet_tasks)
        yield "postgresql", f"w8-{workers}", figures


def _burdens(site: Site, order: Order, turn: int) -> Found:
    """Only once: half a minute of idleness differs little from another."""
    extent = order.extent
    for database in order.databases if turn == 0 else ():
        yield (
            database,
            "burden",
            measure_burden(site, database, extent.flights, extent.idle_seconds),
        )


def _commits(site: Site, order: Order, turn: int) -> Found:
    if turn == 0 and "sqlite" in order.databases:
        yield "sqlite", "commits", measure_commits(site)


MEASURES: Final[dict[str, Callable[[Site, Order, int], Found]]] = {
    "w6": _crashes,
    "w7": _sizes,
    "w8": _fleets,
    "burden": _burdens,
    "commits": _commits,
}
