"""Kill -9 at every named failpoint: between commit and queueing, between effect and journal.

Workers come one after another, each armed to die at a point; each takes over what the one
before it left, so the last one finds the work of many deaths and must finish all of it.
"""

import signal
from collections import defaultdict
from typing import Any, Final

from nexus.failpoints import OF_MEMORY, POINTS
from tests.chaos.evidence import read_effects
from tests.chaos.fault import Figures, fault, require
from tests.chaos.measures import most_loaded
from tests.chaos.world import World
from tests.support.rig import plan, task
from tests.support.valkey import command

OF_THE_API: Final = frozenset(
    f"{act}.{side}" for act in ("create", "steer") for side in ("before_commit", "committed")
)
ELSEWHERE: Final = frozenset(
    f"{act}.{side}"
    for act in ("ask", "renew", "delegate", "hold", "cut", "reopen", "decide")
    for side in ("before_commit", "committed")
)
"""What takes a person, a budget or a lost file to get to: `unsafe-call` and
`tests/orchestrator/test_points.py`."""
WORKERS_POINTS: Final = tuple(sorted(POINTS - OF_THE_API - OF_MEMORY - ELSEWHERE))
SHORT: Final = ("settle.committed", "effect.done", "claim.committed")
DEATH_SECONDS: Final = 30.0
TASKS: Final = 3


async def _give_work(world: World) -> None:
    options: dict[str, Any] = {"instructions": "marks: 1", "max_attempts": 20}
    others = [task(f"t{n}", "marker", "first", **options) for n in range(TASKS)]
    await world.submit(plan(task("first", "marker", **options), *others))


async def _leave_work_behind(world: World) -> None:
    """Kill a worker with something in hand, so that the next one has something to mend."""
    worker = await world.start_worker()
    await _give_work(world)
    await most_loaded(world, [worker])
    world.kill(worker)


async def _die_at(world: World, point: str) -> int:
    """Give an armed worker work and wait until it is dead; return the passing it died at."""
    passing = world.random.randint(1, 2) if point.split(".")[0] in ("begin", "record") else 1
    if point.startswith("return."):
        await _leave_work_behind(world)
    if point.startswith("announce."):
        await _give_work(world)
        command(world.redis_port, "FLUSHALL")
    worker = world.spawn_worker(
        NEXUS_FAILPOINTS=f"{point}=kill@{passing}", NEXUS_DRAIN_SECONDS="0.1"
    )
    await _give_work(world)
    if point.startswith("release."):
        await world.until(lambda: world.model.open, what="a call to be open")
        worker.terminate()
    await world.until(
        lambda: not worker.is_alive, within=DEATH_SECONDS, what=f"a worker to die at {point}"
    )
    world.interruptions += 1
    code = worker.process.returncode
    require(code == -signal.SIGKILL, f"armed with {point}, it ended with {code}: {worker.log}")
    return passing


@fault(
    "failpoints",
    row="kill -9 at every named failpoint; 0 lost, one repeat at most, the same idempotency key",
    runs=5,
    limit_seconds=300,
)
async def failpoints(world: World) -> Figures:
    points = list(SHORT if world.is_short else WORKERS_POINTS)
    world.random.shuffle(points)
    for point in points:
        await _die_at(world, point)
    await world.start_worker()
    states = await world.end(world.accepted, within=90)
    require(set(states.values()) == {"succeeded"}, f"projects ended {sorted(states.values())}")
    keys: dict[str, set[str]] = defaultdict(set)
    effects = read_effects(world)
    for done in effects:
        keys[done.what].add(done.key)
    changed = {what: found for what, found in keys.items() if len(found) > 1}
    require(not changed, f"a repeated effect came under another key: {changed}")
    wanted = len(world.accepted) * (TASKS + 1)
    require(len(keys) == wanted, f"{len(keys)} different effects, {wanted} wanted")
    return {
        "points": len(points),
        "projects": len(states),
        "effects": len(keys),
        "effects repeated": len(effects) - len(keys),
        "lost": 0,
    }
