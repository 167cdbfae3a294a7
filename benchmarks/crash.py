"""W6: a worker is killed in the middle of W4, and started again or survived by another one."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.graphs import warm_up
from benchmarks.installation import Client, Installation
from benchmarks.plans import witnessed_plan
from benchmarks.shapes import Sizes
from benchmarks.site import Site

GRAIN_SECONDS = 0.01


def read_witnesses(log: Path) -> dict[str, list[float]]:
    """Return when each task began, as often as it did."""
    begun: dict[str, list[float]] = defaultdict(list)
    for line in log.read_text().splitlines():
        key, at = line.split()
        begun[key].append(float(at))
    return dict(begun)


def run_again(
    begun: Mapping[str, Sequence[float]], finished: Sequence[str], killed: float
) -> list[str]:
    """Name the tasks that were finished before the kill and began once more after it."""
    return [key for key in finished if any(at > killed for at in begun.get(key, ()))]


def _finished(client: Client, project_id: str) -> list[str]:
    phases = client.get(f"/projects/{project_id}/progress")["phases"]
    tasks = [task for phase in phases for task in phase["tasks"]]
    return [task["key"] for task in tasks if task["status"] == "succeeded"]


def _wait_for_half(client: Client, project_id: str, half: int) -> None:
    while True:
        shown = client.get(f"/projects/{project_id}/progress", detail="phases")
        if shown["counts"]["succeeded"] >= half:
            return
        time.sleep(GRAIN_SECONDS)


def measure_crash(site: Site, database: str, case: str, sizes: Sizes) -> dict[str, float]:
    """Kill -9 one worker at half of W4.

    Args:
        case: `restart` starts it again at once; `neighbour` has a second worker on the same
            data directory; `elsewhere` has one with a directory of its own, as on another
            machine.
    """
    with site.nexus(database) as installation:
        victim = installation.start_worker()
        if case == "neighbour":
            installation.start_worker()
        if case == "elsewhere":
            installation.start_worker(NEXUS_DATA_DIR=str(installation.folder / "elsewhere"))
        with installation.client() as client:
            warm_up(client)
            shape = sizes.shape("w4")
            log = installation.folder / "witness"
            project_id = client.create(witnessed_plan(shape, log))
            client.execute(project_id)
            _wait_for_half(client, project_id, len(shape) // 2)
            installation.kill(victim)
            killed = time.time()
            started = _restart(installation, case)
            finished = _finished(client, project_id)
            client.finish(project_id)
            ended = time.time()
        begun = read_witnesses(log)
    lost = [at[-1] for key, at in begun.items() if len(at) > 1 and key not in finished]
    return {
        "again": float(len(run_again(begun, finished, killed))),
        "lost": float(len(lost)),
        "taken_back_seconds": max(lost, default=killed) - killed,
        "after_start_seconds": max(0.0, max(lost, default=started) - started),
        "end_seconds": ended - killed,
    }


def _restart(installation: Installation, case: str) -> float:
    """Start the killed worker again where the case says so; return when there was one at work."""
    if case == "restart":
        installation.start_worker()
    return time.time()
