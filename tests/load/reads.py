"""What reading costs while a large project runs: latencies, and the API's CPU and memory.

python -m tests.load.reads [--database sqlite|postgresql] [--tasks N] [--streams N]
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.e2e.installation import Installation
from tests.load.wire import Wire
from tests.support.places import ROOT
from tests.support.postgres import run_postgres
from tests.support.valkey import run_valkey

PHASES: Final = 10
OVER: Final = ("succeeded", "failed", "cancelled")
TICKS: Final = os.sysconf("SC_CLK_TCK")


def plan_of(tasks: int) -> dict[str, Any]:
    """Write a plan of ten phases of no-op tasks that run one after another."""
    phases = [
        {
            "key": f"phase-{number}",
            "title": f"Phase {number}",
            "execution": "parallel",
            "tasks": [
                {
                    "key": f"task-{number}-{at}",
                    "title": f"The task {at} of phase {number}",
                    "agent": "quick",
                    "instructions": f"Do the part {at} of what phase {number} is about.",
                    "depends_on": [],
                }
                for at in range(tasks // PHASES)
            ],
        }
        for number in range(PHASES)
    ]
    return {"execution": "sequential", "phases": phases}


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process has used up: CPU seconds, resident megabytes."""

    cpu_seconds: float
    rss_mb: float


def spent_by(pid: int) -> Spent:
    """Read a process's use from the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Spent((int(fields[11]) + int(fields[12])) / TICKS, pages * 4096 / 2**20)


@contextmanager
def installation(database: str) -> Iterator[Installation]:
    """Run Valkey, the database, the API and one worker in a temporary folder."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as opened:
        folder = Path(name)
        redis = opened.enter_context(run_valkey(folder / "valkey"))
        url = f"sqlite:///{folder / 'nexus.db'}"
        if database == "postgresql":
            url = opened.enter_context(run_postgres(folder / "postgres")).url("postgres")
        settings = {
            "PYTHONPATH": str(ROOT),
            "NEXUS_DATABASE_URL": url,
            "NEXUS_REDIS_URL": f"redis://127.0.0.1:{redis}/0",
            "NEXUS_CHROMA_URL": "http://127.0.0.1:1",
            "NEXUS_PLUGINS": "tests.support.sample_agents",
            "NEXUS_MODEL": "offline",
        }
        (folder / "clone").mkdir()
        (folder / "clone" / "main.py").write_text((ROOT / "main.py").read_text())
        (folder / "clone" / "worker.py").write_text((ROOT / "worker.py").read_text())
        made = Installation(folder / "clone", settings)
        opened.callback(made.stop)
        made.start_api()
        made.start_worker()
        yield made


@dataclass(slots=True)
class Figures:
    """Milliseconds by what was read."""

    times: dict[str, list[float]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    rss_mb: float = 0.0

    def add(self, name: str, took_ms: float, size: int) -> None:
        self.times.setdefault(name, []).append(took_ms)
        self.sizes[name] = size

    def lines(self) -> Iterator[str]:
        for name, times in self.times.items():
            ordered = sorted(times)
            p50, p99 = (ordered[int(len(ordered) * part)] for part in (0.5, 0.99))
            yield (
                f"{name:10} n={len(ordered):5}  p50 {p50:7.1f} ms  p99 {p99:7.1f} ms  "
                f"max {ordered[-1]:7.1f} ms  {self.sizes[name]:,} bytes"
            )


async def look(wire: Wire, project_id: str, figures: Figures, turn: int) -> str:
    """Read what a watcher reads, the large things more seldom; return the project's status."""
    path = f"/projects/{project_id}"
    took_ms, body = await wire.timed(f"{path}/progress?detail=phases")
    figures.add("phases", took_ms, len(body))
    shown = json.loads(body)
    newest = max(0, shown["last_event_seq"] - 200)
    for name, page, every in (
        ("events", f"{path}/events?limit=200&after={newest}", 1),
        ("tasks", f"{path}/tasks?limit=50", 5),
        ("whole", f"{path}/progress", 10),
    ):
        if turn % every == 0:
            took_ms, body = await wire.timed(page)
            figures.add(name, took_ms, len(body))
    status: str = shown["status"]
    return status


def open_streams(made: Installation, project_id: str, streams: int) -> subprocess.Popen[str]:
    """Follow the project from a process of its own; return when the streams are open."""
    words = [str(made.port), made.key, project_id, str(streams)]
    followers = subprocess.Popen(
        [sys.executable, "-m", "tests.load.streams", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    if followers.stdout is None or followers.stdout.readline() != "open\n":
        raise RuntimeError("the streams did not open")
    return followers


async def run(made: Installation, wire: Wire, project_id: str, pause: float) -> Figures:
    """Execute the project and look at it until it is over."""
    figures, turn, status = Figures(), 0, "running"
    await wire.ask("POST", f"/projects/{project_id}/execute")
    while status not in OVER:
        status = await look(wire, project_id, figures, turn)
        figures.rss_mb = max(figures.rss_mb, spent_by(made.processes[0].pid).rss_mb)
        turn += 1
        await asyncio.sleep(pause)
    return figures


async def measure(made: Installation, arguments: argparse.Namespace) -> None:
    """Run one project and print what reading it cost."""
    wire = await Wire.open(made.port, made.key)
    api = made.processes[0].pid
    goal = {"goal": "Load", "plan": plan_of(arguments.tasks)}
    status, body = await wire.ask("POST", "/projects", goal)
    if status != 201:
        raise RuntimeError(body.decode())
    project_id = json.loads(body)["id"]
    rested, begun = spent_by(api), time.monotonic()
    followers = open_streams(made, project_id, arguments.streams) if arguments.streams else None
    figures = await run(made, wire, project_id, arguments.pause)
    took, after, ended = time.monotonic() - begun, spent_by(api), time.time()
    print(f"{arguments.tasks} tasks in {took:.1f} s ({arguments.tasks / took:.0f} tasks/s)")
    print("\n".join(figures.lines()))
    print(
        f"API: CPU {after.cpu_seconds - rested.cpu_seconds:.2f} s of {took:.1f} s, "
        f"RSS {rested.rss_mb:.0f} MB before, at most {figures.rss_mb:.0f} MB"
    )
    wire.close()
    if followers is not None:
        told = json.loads(followers.communicate(timeout=300)[0])
        lag = told.pop("last at its end") - ended, told.pop("first at its end") - ended
        print(f"{arguments.streams} streams: {told}; last {lag[0]:+.1f} s, first {lag[1]:+.1f} s")
        print(f"API: RSS {spent_by(api).rss_mb:.0f} MB afterwards")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--streams", type=int, default=0)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between two looks")
    arguments = parser.parse_args()
    with installation(arguments.database) as made:
        asyncio.run(measure(made, arguments))
    print(f"{arguments.database}; load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
