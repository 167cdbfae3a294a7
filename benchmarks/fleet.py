"""W8: how much faster several workers on PostgreSQL are than one."""

from datetime import datetime
from typing import Final

from benchmarks.graphs import run_plan
from benchmarks.installation import Client
from benchmarks.plans import waiting_plan
from benchmarks.shapes import SMALL, bunch, fan_out
from benchmarks.site import Site

SLOTS: Final = 20
PROJECTS: Final = 10
TASK_SECONDS: Final = 0.1


def measure_fleet(site: Site, workers: int, tasks: int) -> dict[str, float]:
    """Run ten projects at once on some workers of 20 slots each; return tasks a second."""
    with site.nexus("postgresql") as installation:
        for _ in range(workers):
            installation.start_worker(NEXUS_CONCURRENCY=str(SLOTS))
        with installation.client() as client:
            for _ in range(workers):
                run_plan(client, waiting_plan(fan_out(SMALL.fan * workers)))
            waiting = _run_at_once(client, tasks, TASK_SECONDS)
            nothing = _run_at_once(client, tasks, 0.0)
    total = PROJECTS * tasks
    return {"tasks_per_second": total / waiting, "noops_per_second": total / nothing}


def _run_at_once(client: Client, tasks: int, seconds: float) -> float:
    """Return the seconds from the first start to the last end, commit to commit."""
    plan = waiting_plan(bunch(tasks, seconds))
    projects = [client.create(plan) for _ in range(PROJECTS)]
    for project_id in projects:
        client.execute(project_id)
    ended = [client.finish(project_id) for project_id in projects]
    first = min(datetime.fromisoformat(one["started_at"]) for one in ended)
    last = max(datetime.fromisoformat(one["finished_at"]) for one in ended)
    return (last - first).total_seconds()
