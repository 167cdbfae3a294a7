"""Kill -9 of a worker in the middle of model calls: another goes on at the last recorded one."""

from tests.chaos.fault import Figures, fault, require
from tests.chaos.measures import recorded_calls, running_under, seconds_to_last
from tests.chaos.world import World
from tests.support.rig import plan, task

TASKS = 4
MARKS = 2
CALLS = TASKS * (MARKS + 1)
SLACK_SECONDS = 2.0


async def _kill_in_mid_call(world: World, *, elsewhere: bool) -> Figures:
    """Kill whoever works while a seeded call is open; measure until its subtasks go on."""
    first = await world.start_worker()
    project = await world.submit(
        plan(*(task(f"t{n}", "marker", instructions=f"marks: {MARKS}") for n in range(TASKS)))
    )
    if elsewhere:
        await world.start_worker(elsewhere=True, NEXUS_CONCURRENCY="1")
    at_call = world.random.randint(1, CALLS - 1)
    await world.until(lambda: world.model.calls >= at_call, what=f"call {at_call}")
    in_flight = world.model.open
    killed_us = world.kill(first)
    caught = await running_under(world, first.id)
    since_us = killed_us
    if not elsewhere:
        again = await world.start_worker()
        since_us = again.joined_us
    states = await world.end([project])
    require(states[project] == "succeeded", f"the project {states[project]}")
    back = await seconds_to_last(world, "subtask.retrying", caught, since_us)
    resumed = await seconds_to_last(world, "subtask.started", caught, since_us)
    limit = world.lease_seconds + SLACK_SECONDS
    require(0 <= resumed <= limit, f"resumed after {resumed} s, {limit} s allowed")
    require(elsewhere or back <= SLACK_SECONDS, f"leases were taken back after {back} s")
    recorded = await recorded_calls(world)
    repeated = world.model.calls - recorded
    require(recorded == CALLS, f"{recorded} calls recorded, {CALLS} needed")
    require(repeated <= in_flight, f"{repeated} calls repeated with {in_flight} in flight")
    return {
        "taken back s": back,
        "resumed s": resumed,
        "caught": len(caught),
        "calls in flight": in_flight,
        "calls repeated": repeated,
    }


@fault(
    "kill-worker",
    row="kill -9 a worker during a model call; a worker on another machine resumes",
    runs=20,
)
async def kill_worker(world: World) -> Figures:
    return await _kill_in_mid_call(world, elsewhere=True)


@fault(
    "kill-restart",
    row="kill -9 the only worker during a model call; restarted, it takes its leases back",
    runs=20,
)
async def kill_restart(world: World) -> Figures:
    return await _kill_in_mid_call(world, elsewhere=False)
