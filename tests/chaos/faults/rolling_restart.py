"""SIGTERM to one worker after another with work in hand: nothing fails, nothing is counted."""

import asyncio
import json
import time
from typing import Final

from tests.chaos.fault import Figures, fault, require
from tests.chaos.measures import attempts_lost, running_under
from tests.chaos.world import World
from tests.support.rig import plan, task

SUBTASKS: Final = 50
END_SECONDS: Final = 20.0
DRAIN_SECONDS: Final = "0.5"


@fault(
    "rolling-restart",
    row="SIGTERM to 3 workers one after another, 50 subtasks in hand; nothing fails or is counted",
    runs=10,
)
async def rolling_restart(world: World) -> Figures:
    world.settings = {"NEXUS_DRAIN_SECONDS": DRAIN_SECONDS, "NEXUS_LEASE_SECONDS": "5"}
    workers = await world.start_workers(3)
    rests = [world.random.uniform(0.05, 1.2) for _ in range(SUBTASKS)]
    options = [json.dumps({"steps": 3, "rest_seconds": rest}) for rest in rests]
    tasks = (task(f"t{n}", "walker", instructions=text) for n, text in enumerate(options))
    project = await world.submit(plan(*tasks))
    await world.until(
        lambda: world.count("SELECT count(*) FROM events WHERE type = 'subtask.started'"),
        what="the first subtask to start",
    )
    held, took = 0, []
    for worker in workers:
        successor = world.spawn_worker()
        await world.joined([successor])
        held += len(await running_under(world, worker.id))
        began = time.monotonic()
        code = await asyncio.to_thread(worker.end)
        took.append(time.monotonic() - began)
        require(code == 0, f"{worker.name} ended with {code}:\n{worker.log[-2_000:]}")
    require(max(took) <= END_SECONDS, f"a worker took {max(took):.1f} s to end")
    states = await world.end([project])
    require(states[project] == "succeeded", f"the project {states[project]}")
    rows = await world.rows("SELECT status, attempt FROM subtasks")
    failed = sum(row["status"] != "succeeded" for row in rows)
    burnt = sum(row["attempt"] - 1 for row in rows)
    require(failed == 0 and burnt == 0, f"{failed} failed, {burnt} attempts were counted")
    require(await attempts_lost(world) == 0, "an attempt was counted as lost")
    released = "SELECT count(*) FROM events WHERE type = 'subtask.released'"
    return {
        "in hand": held,
        "released": await world.count(released),
        "failed": failed,
        "attempts burnt": burnt,
        "longest end s": round(max(took), 2),
    }
