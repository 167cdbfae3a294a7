"""Every message of the queue delivered five times, to two workers: the claim is the only gate."""

import json

from redis.asyncio import Redis

from tests.chaos.evidence import read_effects
from tests.chaos.fault import Figures, fault, require
from tests.chaos.overhearing import Heard, Overhearing
from tests.chaos.world import World
from tests.support.rig import plan, task

TIMES = 5
WIDTH, DEPTH = 20, 3
ONE_STEP = json.dumps({"steps": 1})


class Echo:
    """Says every message four times more, and no message of its own again."""

    def __init__(self) -> None:
        self.said: set[str] = set()

    async def __call__(self, client: Redis, heard: Heard) -> None:
        subtask_id = heard.fields["id"]
        if subtask_id in self.said:
            return
        self.said.add(subtask_id)
        async with client.pipeline(transaction=False) as pipe:
            for _ in range(TIMES - 1):
                pipe.xadd(heard.stream, {"id": subtask_id})
            await pipe.execute()


@fault(
    "delivered-often",
    row="every queue message delivered 5 times, two workers",
    short_databases=("postgresql",),
)
async def delivered_often(world: World) -> Figures:
    echo = Echo()
    async with Overhearing(world, echo):
        await world.start_workers(2)
        layers = (
            task(f"t{layer}.{n}", "walker", *_above(layer, n), instructions=ONE_STEP)
            for layer in range(DEPTH)
            for n in range(WIDTH)
        )
        project = await world.submit(plan(*layers))
        states = await world.end([project])
    subtasks = WIDTH * DEPTH
    require(states[project] == "succeeded", f"the project {states[project]}")
    effects = len(read_effects(world))
    require(effects == subtasks, f"{effects} effects of {subtasks} tasks")
    starts = await world.count("SELECT count(*) FROM events WHERE type = 'subtask.started'")
    require(starts == subtasks, f"{starts} claims of {subtasks} subtasks")
    require(len(echo.said) >= WIDTH, f"only {len(echo.said)} messages were repeated")
    return {"subtasks": effects, "delivered": len(echo.said) * TIMES, "claims": starts}


def _above(layer: int, number: int) -> tuple[str, ...]:
    return (f"t{layer - 1}.{number}",) if layer else ()
