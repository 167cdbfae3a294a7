"""What a worker costs: five hundred conversations in flight at once, and doing nothing."""

import time
from collections.abc import Mapping
from typing import Final

from benchmarks.graphs import run_plan, warm_up
from benchmarks.plans import agent_plan
from benchmarks.processes import Watch, cpu_seconds, tree_of
from benchmarks.shapes import bunch
from benchmarks.site import Site

MODEL: Final = "openai:after-1.0"
"""A model that takes a second to answer."""


def measure_burden(
    site: Site, database: str, flights: int, idle_seconds: float
) -> dict[str, float]:
    """Have `flights` tasks wait for a model of one second at once; then watch an idle worker."""
    with site.nexus(database) as installation:
        worker = installation.start_worker()
        with installation.client() as client:
            warm_up(client)
            before = cpu_seconds(tree_of(installation.roots()))
            with Watch(installation.roots()) as watch:
                run = run_plan(client, agent_plan(bunch(flights, 0.0), "bench_answer"), model=MODEL)
                spent = cpu_seconds(tree_of(installation.roots())) - before
            idle = _shares(
                {"idle_worker_share": (worker.pid,), "idle_all_share": installation.roots()},
                idle_seconds,
            )
        return {
            "flights": float(flights),
            "makespan_seconds": run.seconds,
            "rss_mb": watch.peak.rss,
            "pss_mb": watch.peak.pss,
            "cpu_seconds": spent,
            **idle,
        }


def _shares(trees: Mapping[str, tuple[int, ...]], seconds: float) -> dict[str, float]:
    """Return the shares of one processor that process trees use over some seconds of doing nothing."""
    before = {name: cpu_seconds(tree_of(roots)) for name, roots in trees.items()}
    begun = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - begun
    return {
        name: (cpu_seconds(tree_of(roots)) - before[name]) / passed for name, roots in trees.items()
    }
