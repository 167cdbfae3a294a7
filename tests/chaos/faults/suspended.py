"""The whole machine sleeps past every lease and wakes: whoever woke up still has its work."""

from typing import Final

from tests.chaos.fault import Figures, fault, require
from tests.chaos.installation import now_us
from tests.chaos.measures import attempts_lost, recorded_calls, running_under
from tests.chaos.world import World
from tests.support.rig import plan, task

TASKS: Final = 6
LEASES: Final = 2.5


@fault(
    "suspended",
    row="the only worker sleeps past its lease and wakes; it goes on where it was",
    runs=20,
    short_databases=("postgresql",),
)
async def suspended(world: World) -> Figures:
    worker = await world.start_worker()
    tasks = (task(f"t{n}", "marker", instructions="marks: 2") for n in range(TASKS))
    project = await world.submit(plan(*tasks))
    at_call = world.random.randint(TASKS, 2 * TASKS)
    await world.until(lambda: world.model.calls >= at_call, what=f"call {at_call}")
    held = len(await running_under(world, worker.id))
    paused_us = worker.pause()
    over_us = paused_us + int(LEASES * world.lease_seconds * 1e6)
    await world.until(lambda: now_us() >= over_us, what="the leases to be over")
    worker.resume()
    states = await world.end([project])
    require(states[project] == "succeeded", f"the project {states[project]}")
    lost = await attempts_lost(world)
    repeated = world.model.calls - await recorded_calls(world)
    require(lost == 0, f"it took {lost} of its own subtasks for lost")
    require(repeated == 0, f"{repeated} calls were made again")
    return {"in hand": held, "attempts lost": lost, "calls repeated": repeated}
