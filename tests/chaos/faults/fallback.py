"""The first model of a chain fails for good in the middle of a project: the second one ends it."""

import json
from typing import Any, Final

from tests.chaos.conversation import marking
from tests.chaos.fault import Figures, fault, require
from tests.chaos.world import World
from tests.scripted_model import HangUp, Raw, Reply, Script, error
from tests.scripted_stream import Streamed
from tests.support.rig import plan, task

TASKS: Final = 12
MARKS: Final = 2
CALLS: Final = TASKS * (MARKS + 1)
FIRST_SECONDS: Final = "2"
GARBAGE: Final = Raw(body='{"choices": [{"index": 0, "fin')
DEATHS: Final[dict[str, Reply]] = {
    "unreachable": HangUp(),
    "failing": error(500),
    "limited": error(429, retry_after="60"),
    "cut": Streamed(("The answer ",), cut=True),
    "unfinished": Streamed(("The answer ",), is_finished=False),
    "stalled": Streamed(("The answer ",), stall=True),
    "broken json": GARBAGE,
}


class Dying:
    """Both models of the chain: the first one says what was drawn from a certain call on."""

    def __init__(self, otherwise: Script, at_call: int, death: Reply) -> None:
        self.firsts = 0
        self._otherwise = otherwise
        self._at_call = at_call
        self._death = death

    def __call__(self, request: dict[str, Any]) -> Any:
        if request["model"] == "first":
            self.firsts += 1
            if self.firsts >= self._at_call:
                # To a worker that never saw a good stream of it, which asks for whole replies.
                is_whole = isinstance(self._death, Streamed) and not request.get("stream")
                return error(500) if is_whole else self._death
        return self._otherwise(request)


@fault(
    "fallback",
    row="the first model of a chain dies, stalls or limits in the middle of a project",
    runs=14,
    short_databases=("sqlite",),
)
async def fallback(world: World) -> Figures:
    how = list(DEATHS)[world.seed % len(DEATHS)]
    at_call = world.random.randint(2, CALLS - 2)
    script = Dying(marking(world.seed, 0.02, 0.15), at_call, DEATHS[how])
    world.model.script = script
    world.settings |= {
        "NEXUS_MODEL": "openai:first,openai:second",
        "NEXUS_MODEL_FIRST_TOKEN_SECONDS": FIRST_SECONDS,
    }
    await world.start_workers(2)
    tasks = (
        task(f"t{n}", "marker", instructions=f"marks: {MARKS}", max_attempts=1)
        for n in range(TASKS)
    )
    project = await world.submit(plan(*tasks))
    states = await world.end([project])
    require(states[project] == "succeeded", f"the project {states[project]}")
    rows = await world.rows("SELECT result FROM journal WHERE kind = 'model'")
    by = [json.loads(row["result"])["model_name"] for row in rows]
    require(len(by) == CALLS, f"{len(by)} replies recorded, {CALLS} needed")
    second = by.count("second")
    require(second >= CALLS - at_call + 1, f"{second} replies of the second model")
    asked = world.model.calls - CALLS
    require(asked <= script.firsts - at_call + 1, f"{asked} calls more than replies")
    return {"how": how, "by the second": second, "asked of the dead": asked}
