"""W1 to W5 on Nexus: a plan goes in by HTTP, and the time comes from the project's own record."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.installation import Client, Installation
from benchmarks.plans import agent_plan, waiting_plan
from benchmarks.processes import Watch, cpu_seconds, tree_of
from benchmarks.shapes import SMALL, Sizes, chain, fan_out


@dataclass(frozen=True, slots=True)
class Run:
    """What one execution took: `seconds` from commit to commit, `seen` as its client saw it."""

    seconds: float
    seen: float


def seconds_between(shown: dict[str, Any]) -> float:
    """Return the seconds between the commits of a project's start and end."""
    begun, ended = (datetime.fromisoformat(shown[name]) for name in ("started_at", "finished_at"))
    return (ended - begun).total_seconds()


def run_plan(client: Client, plan: dict[str, Any], **fields: Any) -> Run:
    """Post a plan, execute it, wait for its end."""
    project_id = client.create(plan, **fields)
    begun = time.perf_counter()
    client.execute(project_id)
    shown = client.finish(project_id)
    return Run(seconds_between(shown), time.perf_counter() - begun)


def warm_up(client: Client) -> None:
    """Let every process do once what it is measured at."""
    run_plan(client, waiting_plan(chain(SMALL.chain)))
    run_plan(client, waiting_plan(fan_out(SMALL.fan)))
    run_plan(client, agent_plan(chain(1), "bench_rounds"), model="openai:rounds-2")


def measure_graph(
    installation: Installation, client: Client, workload: str, sizes: Sizes
) -> dict[str, float]:
    """Run one of W1 to W5; return seconds, processor seconds and, for W3, the peak of memory."""
    plan, fields = _order(workload, sizes)
    before = cpu_seconds(tree_of(installation.roots()))
    figures: dict[str, float] = {}
    with ExitStack() as stack:
        watch = stack.enter_context(Watch(installation.roots())) if workload == "w3" else None
        run = run_plan(client, plan, **fields)
        figures["cpu_seconds"] = cpu_seconds(tree_of(installation.roots())) - before
    if watch is not None:
        figures |= {"rss_mb": watch.peak.rss, "pss_mb": watch.peak.pss}
    return {"seconds": run.seconds, "seen_seconds": run.seen, **figures}


def _order(workload: str, sizes: Sizes) -> tuple[dict[str, Any], dict[str, str]]:
    if workload == "w5":
        plan = agent_plan(chain(sizes.agents), "bench_rounds")
        return plan, {"model": f"openai:rounds-{sizes.rounds}"}
    return waiting_plan(sizes.shape(workload)), {}
