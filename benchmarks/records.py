"""What has been measured: one record for each run of each engine, and how they are kept."""

import json
import os
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

NEXUS = "nexus"


@dataclass(frozen=True, slots=True)
class Record:
    """The figures of one run; `turn` numbers the rounds of an interleaved run."""

    engine: str
    database: str
    workload: str
    turn: int
    figures: dict[str, float]


@dataclass(slots=True)
class Book:
    """All records of one call of the benchmarks, and the machine they were made on."""

    machine: dict[str, Any]
    records: list[Record] = field(default_factory=list)

    def select(self, engine: str, database: str, workload: str) -> list[Record]:
        """Return the records of one engine at one workload, in order."""
        wanted = (engine, database, workload)
        return [one for one in self.records if (one.engine, one.database, one.workload) == wanted]

    def values(self, engine: str, database: str, workload: str, name: str) -> dict[int, float]:
        """Return one figure of each round."""
        found = self.select(engine, database, workload)
        return {one.turn: one.figures[name] for one in found if name in one.figures}

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        text = json.dumps(
            {"machine": self.machine, "records": [asdict(one) for one in self.records]}, indent=1
        )
        path.write_text(text + "\n")


def read_book(path: Path) -> Book:
    """Read what `Book.write` wrote."""
    found = json.loads(path.read_text())
    return Book(found["machine"], [Record(**one) for one in found["records"]])


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def describe_machine(extra: Iterable[tuple[str, Any]] = ()) -> dict[str, Any]:
    """Say on what the figures were made: they mean nothing for another machine."""
    return {
        "day": time.strftime("%Y-%m-%d"),
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        **dict(extra),
    }
