"""The results of a session as a table for a person and as JSON for a machine."""

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from tests.chaos.fault import Fault
from tests.chaos.trial import Result

HEADINGS = ("fault", "database", "runs", "violations", "seconds", "figures (median, worst)")


def _groups(results: Sequence[Result]) -> dict[tuple[str, str], list[Result]]:
    found: dict[tuple[str, str], list[Result]] = {}
    for one in results:
        found.setdefault((one.fault, one.database), []).append(one)
    return found


def _figures(runs: Sequence[Result]) -> str:
    """Sum up each figure over the runs: numbers by median and maximum, words by the last."""
    names = dict.fromkeys(name for run in runs for name in run.figures)
    return "; ".join(f"{name} {_sum_up(runs, name)}" for name in names)


def _sum_up(runs: Sequence[Result], name: str) -> str:
    values = [run.figures[name] for run in runs if name in run.figures]
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(numbers) < len(values):
        return str(values[-1])
    middle, worst = median(numbers), max(numbers)
    return f"{middle:g}" if middle == worst else f"{middle:g}, {worst:g}"


def rows(results: Sequence[Result]) -> Iterator[tuple[str, ...]]:
    """Sum up the results, a row for each fault and database."""
    for (fault, database), runs in _groups(results).items():
        violations = sum(len(run.violations) for run in runs)
        seconds = f"{sum(run.seconds for run in runs):.0f}"
        yield fault, database, str(len(runs)), str(violations), seconds, _figures(runs)


def draw(results: Sequence[Result]) -> str:
    """Draw the table, and below it what was violated and how to repeat it."""
    lines = [HEADINGS, *rows(results)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(HEADINGS) - 1)]
    drawn = ["  ".join([*map(str.ljust, line[:-1], widths), line[-1]]) for line in lines]
    for one in results:
        if one.violations:
            drawn += ["", f"{one.fault} on {one.database}, seed {one.seed}: {one.folder}"]
            drawn += [f"  {wrong}" for wrong in one.violations]
            drawn += [f"  again: {one.again}"]
    return "\n".join(drawn)


def write_json(path: Path, faults: Mapping[str, Fault], results: Sequence[Result]) -> None:
    """Write every run with its seed and its figures."""
    document = {
        "machine": {"python": platform.python_version(), "system": platform.platform()},
        "faults": {name: fault.row for name, fault in faults.items()},
        "runs": [
            {
                "fault": one.fault,
                "database": one.database,
                "seed": one.seed,
                "seconds": one.seconds,
                "figures": one.figures,
                "violations": list(one.violations),
                "again": one.again,
            }
            for one in results
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
