"""The graphs that are measured, as data every engine can build its own from.

Imported by Nexus's drivers and, in environments of their own, by every peer: only the
standard library is used here.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of work: it begins after the steps it names, and takes `seconds` of waiting."""

    key: str
    after: tuple[str, ...]
    seconds: float = 0.0


Shape = tuple[Step, ...]
"""Steps in an order in which every step comes after those it names."""


def chain(count: int) -> Shape:
    """Make `count` steps, each after the one before."""
    return tuple(Step(f"t{at}", (f"t{at - 1}",) if at else ()) for at in range(count))


def fan_out(count: int, seconds: float = 0.0) -> Shape:
    """Make one step, `count` after it that take `seconds` each, and one after all of them."""
    middle = tuple(Step(f"m{at}", ("first",), seconds) for at in range(count))
    return (Step("first", ()), *middle, Step("last", tuple(step.key for step in middle)))


def graph(layers: int = 10, width: int = 20, low: float = 0.05, high: float = 0.15) -> Shape:
    """Make layers of steps, each after 2 random steps of the layer before, `low`..`high` s long."""
    dice = random.Random(SEED)
    steps: list[Step] = []
    before: list[str] = []
    for layer in range(layers):
        made: list[Step] = []
        for at in range(width):
            after = tuple(dice.sample(before, min(2, width))) if before else ()
            made.append(Step(f"l{layer}n{at}", after, dice.uniform(low, high)))
        steps += made
        before = [step.key for step in made]
    return tuple(steps)


def bunch(count: int, seconds: float) -> Shape:
    """Make `count` steps that wait for nobody."""
    return tuple(Step(f"b{at}", (), seconds) for at in range(count))


def critical_path(shape: Sequence[Step]) -> float:
    """Return the seconds of the longest way through a shape: no engine can be faster."""
    ends: dict[str, float] = {}
    for step in shape:
        ends[step.key] = step.seconds + max((ends[key] for key in step.after), default=0.0)
    return max(ends.values())


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the workloads are: the whole ones, or quick ones that only show that all works."""

    chain: int = 200
    fan: int = 500
    layers: int = 10
    agents: int = 10
    rounds: int = 10

    def shape(self, workload: str) -> Shape:
        """Return the shape of W1 to W4.

        Raises:
            KeyError: the workload is not a graph of plain steps.
        """
        return {
            "w1": lambda: chain(self.chain),
            "w2": lambda: fan_out(self.fan),
            "w3": lambda: fan_out(self.fan, 1.0),
            "w4": lambda: graph(self.layers),
        }[workload]()


WHOLE: Final = Sizes()
SMALL: Final = Sizes(chain=10, fan=20, layers=2, agents=1, rounds=2)
"""For warming up, and for tests of the drivers."""
