"""SIGTERM to one worker after another with work in hand: nothing fails, nothing is counted."""

import asyncio
import json
import time
from typing import Final

from tests.chaos.fault import Figures, fault, require
from tests.chaos.measures import attempts_lost, attempts_repeated
from tests.chaos.world import World
from tests.support.rig import plan, task

SUBTASKS: Final = 50
STEPS: Final = 3
END_SECONDS: Final = 20.0
SETTINGS: Final = {"NEXUS_DRAIN_SECONDS": "0.5", "NEXUS_LEASE_SECONDS": "5"}


@fault(
    "rolling-restart",
    row="SIGTERM to 3 workers one after another, 50 subtasks in hand; nothing fails or is counted",
    runs=20,
    short_databases=("sqlite",),
)
async def rolling_restart(world: World) -> Figures:
    world.settings = SETTINGS
    workers = await world.start_workers(3)
    longest = 0.8 if world.is_short else 1.5
    rests = [world.random.uniform(0.2, longest) for _ in range(SUBTASKS)]
    options = [json.dumps({"steps": STEPS, "rest_seconds": rest}) for rest in rests]
    tasks = (task(f"t{n}", "walker", instructions=text) for n, text in enumerate(options))
    project = await world.submit(plan(*tasks))
    started = "SELECT count(*) FROM events WHERE type = 'subtask.started'"

    async def are_all_started() -> bool:
        return await world.count(started) == SUBTASKS

    await world.until(are_all_started, what="every subtask to start")
    in_hand = await world.count("SELECT count(*) FROM subtasks WHERE status = 'running'")
    took: list[float] = []
    for worker in workers:
        began = time.monotonic()
        code = await asyncio.to_thread(worker.end)
        took.append(time.monotonic() - began)
        require(code == 0, f"{worker.name} ended with {code}:\n{worker.log[-2_000:]}")
        await world.start_worker()
    require(max(took) <= END_SECONDS, f"a worker took {max(took):.1f} s to end")
    states = await world.end([project])
    require(states[project] == "succeeded", f"the project {states[project]}")
    failed = await world.count(
        "SELECT count(*) FROM subtasks WHERE project_id IS NOT NULL AND status <> 'succeeded'"
    )
    burnt = await attempts_repeated(world)
    require(failed == 0 and burnt == 0, f"{failed} failed, {burnt} attempts were counted")
    require(await attempts_lost(world) == 0, "an attempt was counted as lost")
    released = "SELECT count(*) FROM events WHERE type = 'subtask.released'"
    return {
        "in hand": in_hand,
        "released": await world.count(released),
        "failed": failed,
        "attempts burnt": burnt,
        "longest end s": round(max(took), 2),
    }
