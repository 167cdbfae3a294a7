"""A hundred subtasks over four workers at a model that lets few calls through; one worker dies."""

import asyncio
import time
from typing import Any, Final

from tests.chaos.conversation import asked, task_of
from tests.chaos.fault import Figures, fault, require
from tests.chaos.measures import (
    attempts_repeated,
    calls_in_flight,
    errors_of_attempts,
    running_under,
)
from tests.chaos.world import World
from tests.scripted_model import Reply, error
from tests.support.rig import plan, task

WORKERS: Final = 4
SUBTASKS: Final = 100
PER_SECOND: Final = 20
MOST_CALLS, MOST_CALLS_SHORT = 1.2, 3.0
"""Of those allowed. Beside other tests, on a slow machine, refusals are heard late: there the
fault judges how things end, and that calls stay within bounds at all."""
ANSWER_SECONDS: Final = 0.3
END_SECONDS: Final = 90.0


class Limited:
    """Lets so many calls through in a second and refuses the others with Retry-After."""

    def __init__(self) -> None:
        self.passed = 0
        self._since = 0.0
        self._let = 0

    async def __call__(self, request: dict[str, Any]) -> Reply:
        now = time.monotonic()
        if now - self._since >= 1:
            self._since, self._let = now, 0
        self._let += 1
        if self._let > PER_SECOND:
            return error(429, retry_after="1")
        self.passed += 1
        await asyncio.sleep(ANSWER_SECONDS)
        return f"The answer to {task_of(request)}."


@fault(
    "rate-limit-storm",
    row="100 subtasks over 4 workers at a model that refuses with 429; kill -9 one of the workers",
    runs=5,
    short_databases=("sqlite",),
)
async def rate_limit_storm(world: World) -> Figures:
    script = Limited()
    world.model.script = script
    alive = await world.start_workers(WORKERS, elsewhere=True)
    project = await world.submit(
        plan(*(task(f"t{n}", "content", max_attempts=2) for n in range(SUBTASKS)))
    )
    at_call = world.random.randint(SUBTASKS // 4, SUBTASKS // 2)
    await world.until(lambda: script.passed >= at_call, what=f"call {at_call}")
    victim = world.random.choice(alive)
    world.kill(victim)
    caught = await running_under(world, victim.id)
    in_flight = await calls_in_flight(world, caught)
    states = await world.end([project], within=END_SECONDS)
    require(states[project] == "succeeded", f"the project {states[project]}")
    errors = await errors_of_attempts(world)
    lost = errors["worker_lost"]
    again = await attempts_repeated(world)
    require(again == lost, f"{again} attempts were made again, ended by {dict(errors)}")
    allowed = script.passed
    require(allowed <= SUBTASKS + in_flight + lost, f"{allowed} calls passed of {SUBTASKS} needed")
    calls = world.model.calls
    most = MOST_CALLS_SHORT if world.is_short else MOST_CALLS
    require(calls <= most * allowed, f"{calls} calls where {allowed} were allowed")
    times = [call.at_us for call in asked(world.model)]
    return {
        "calls": calls,
        "of those allowed": round(calls / allowed, 2),
        "caught": len(caught),
        "seconds": round((max(times) - min(times)) / 1e6, 1),
    }
