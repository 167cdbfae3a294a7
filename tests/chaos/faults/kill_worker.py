"""Kill -9 of a worker in the middle of model calls: another goes on at the last recorded one."""

from tests.chaos.fault import Figures, fault, require
from tests.chaos.measures import (
    attempts_lost,
    calls_in_flight,
    most_loaded,
    recorded_calls,
    running_under,
    seconds_to_last,
)
from tests.chaos.world import World
from tests.support.rig import plan, task

TASKS = 4
MARKS = 2
CALLS = TASKS * (MARKS + 1)
SLACK_SECONDS = 2.0


async def _kill_in_mid_call(world: World, *, workers: int) -> Figures:
    """Kill whoever has most in hand while a seeded call is open; measure until that goes on."""
    alive = await world.start_workers(workers, elsewhere=workers > 1)
    tasks = (task(f"t{n}", "marker", instructions=f"marks: {MARKS}") for n in range(TASKS))
    project = await world.submit(plan(*tasks))
    at_call = world.random.randint(1, CALLS - 1)
    await world.until(lambda: world.model.calls >= at_call, what=f"call {at_call}")
    victim = await most_loaded(world, alive)
    killed_us = world.kill(victim)
    caught = await running_under(world, victim.id)
    in_flight = await calls_in_flight(world, caught)
    since_us = killed_us
    if workers == 1:
        since_us = (await world.start_worker()).joined_us
    states = await world.end([project])
    require(states[project] == "succeeded", f"the project {states[project]}")
    back = await seconds_to_last(world, "subtask.retrying", caught, since_us)
    resumed = await seconds_to_last(world, "subtask.started", caught, since_us)
    slack = SLACK_SECONDS + world.slack_seconds
    limit = slack + (world.lease_seconds if workers > 1 else 0)
    require(0 <= back <= limit, f"its leases were taken back after {back} s, {limit} s allowed")
    limit = slack + world.lease_seconds
    require(0 <= resumed <= limit, f"its work went on after {resumed} s, {limit} s allowed")
    recorded = await recorded_calls(world)
    repeated = world.model.calls - recorded
    require(recorded == CALLS, f"{recorded} calls recorded, {CALLS} needed")
    # On a machine that is too busy a living worker may lose a lease too: one call each.
    excused = in_flight + await attempts_lost(world) - len(caught)
    require(repeated <= excused, f"{repeated} calls repeated with {excused} in flight")
    return {
        "taken back s": back,
        "resumed s": resumed,
        "caught": len(caught),
        "calls in flight": in_flight,
        "calls repeated": repeated,
    }


@fault(
    "kill-worker",
    row="kill -9 a worker during a model call; a worker on another machine goes on",
    runs=20,
)
async def kill_worker(world: World) -> Figures:
    return await _kill_in_mid_call(world, workers=2)


@fault(
    "kill-restart",
    row="kill -9 the only worker during a model call; restarted, it takes its leases back",
    runs=20,
    short_databases=("postgresql",),
)
async def kill_restart(world: World) -> Figures:
    return await _kill_in_mid_call(world, workers=1)
