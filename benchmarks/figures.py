"""What is said of a workload: its unit, which way is better, and the figure made of seconds."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.shapes import Sizes, critical_path


@dataclass(frozen=True, slots=True)
class Unit:
    """How a workload's figure is named and read."""

    title: str
    unit: str
    more_is_better: bool = False


UNITS = {
    "w1": Unit("chain", "ms a task"),
    "w2": Unit("fan-out", "tasks/s", more_is_better=True),
    "w3": Unit("waiting", "s"),
    "w4": Unit("graph", "× critical path"),
    "w5": Unit("agent", "ms a round"),
}


def figure(workload: str, seconds: float, sizes: Sizes) -> float:
    """Turn the seconds of a run into the workload's figure."""
    if workload == "w5":
        return seconds * 1_000 / (sizes.agents * sizes.rounds)
    shape = sizes.shape(workload)
    if workload == "w1":
        return seconds * 1_000 / len(shape)
    if workload == "w2":
        return len(shape) / seconds
    if workload == "w4":
        return seconds / critical_path(shape)
    return seconds


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle and the ends of several measurements."""

    median: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{short(self.median)} ({short(self.low)} to {short(self.high)})"


def spread(values: Sequence[float]) -> Spread:
    """Summarise measurements; there is at least one."""
    return Spread(statistics.median(values), min(values), max(values), len(values))


def short(value: float) -> str:
    """Write a figure with three digits that mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.{3 - len(str(int(abs(value))))}f}"
