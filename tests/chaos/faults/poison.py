"""A subtask that kills its worker each time: it runs out of attempts, its neighbours do not."""

import json
import time
from functools import partial
from typing import Final

from tests.chaos.fault import Figures, fault, require
from tests.chaos.measures import running_under
from tests.chaos.member import Member
from tests.chaos.world import World
from tests.support.rig import plan, task

OTHERS: Final = 20
ATTEMPTS: Final = 2
LIMIT_SECONDS: Final = 60.0


@fault(
    "poison",
    row="a subtask that kills its worker: dead after max_attempts, the other 20 done",
    runs=20,
    short_databases=("sqlite",),
)
async def poison(world: World) -> Figures:
    options = [world.random.uniform(0.0, 0.1) for _ in range(OTHERS)]
    others = [
        task(f"t{n}", "walker", instructions=json.dumps({"steps": 3, "rest_seconds": rest}))
        for n, rest in enumerate(options)
    ]
    bad = task("bad", "poison", max_attempts=ATTEMPTS)
    at = world.random.randrange(OTHERS)
    alive = await world.start_workers(ATTEMPTS + 1)
    project = await world.submit(plan(*others[:at], bad, *others[at:]))
    deaths, slowest = 0, 0.0

    async def is_over_or_dead() -> bool:
        states = await world.rows("SELECT status FROM projects WHERE id = :one", one=project)
        return states[0]["status"] != "running" or any(not one.is_alive for one in alive)

    while True:
        await world.until(is_over_or_dead, within=LIMIT_SECONDS, what="the poison to act")
        dead = [one for one in alive if not one.is_alive]
        if not dead:
            break
        for one in dead:
            began = time.monotonic()
            deaths += 1
            world.interruptions += 1
            alive.remove(one)
            await world.until(partial(_is_free, world, one), what="a dead worker's slots")
            slowest = max(slowest, time.monotonic() - began)
    states = await world.end([project])
    require(states[project] == "failed", f"the project {states[project]}")
    tasks = await world.rows("SELECT key, status, error FROM tasks")
    done = sum(row["status"] == "succeeded" for row in tasks)
    [ended] = [row for row in tasks if row["key"] == "bad"]
    require(done == OTHERS, f"{done} of the other {OTHERS} were done")
    require(ended["status"] == "failed", f"the poison is {ended['status']}")
    require(json.loads(ended["error"])["code"] == "worker_lost", f"it failed of {ended['error']}")
    require(deaths == ATTEMPTS, f"{deaths} workers died of {ATTEMPTS} attempts")
    limit = world.lease_seconds + world.slack_seconds
    require(slowest <= limit, f"slots came back after {slowest:.2f} s, {limit:g} s allowed")
    return {"deaths": deaths, "others done": done, "slot back s": round(slowest, 2)}


async def _is_free(world: World, worker: Member) -> bool:
    return not await running_under(world, worker.id)
