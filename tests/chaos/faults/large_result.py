"""A tool that returns 10 MB: the worker bears it, and the queue does not carry it."""

from typing import Any

from tests.chaos.fault import Figures, fault, require
from tests.chaos.overhearing import Overhearing
from tests.chaos.small_disk import files_below
from tests.chaos.world import World
from tests.scripted_model import Reply, ToolCalls
from tests.support.rig import plan, task

MEGABYTES = 10
MOST_MEMORY_MB = 100.0
MOST_MESSAGE_BYTES = 1_024
MOST_ROW_BYTES = 64 * 1_024


def _pour(megabytes: int) -> Any:
    def script(request: dict[str, Any]) -> Reply:
        if any(message["role"] == "tool" for message in request["messages"]):
            return "It was a lot."
        return ToolCalls((("pour", {"megabytes": megabytes}),))

    return script


@fault("large-result", row="a tool returns 10 MB", runs=5, short_databases=("sqlite",))
async def large_result(world: World) -> Figures:
    async with Overhearing(world) as queue:
        worker = await world.start_worker()
        world.model.script = _pour(0)
        small = await world.submit(plan(task("small", "pourer")))
        await world.end([small])
        before = worker.memory_mb()
        world.model.script = _pour(MEGABYTES)
        large = await world.submit(plan(task("large", "pourer"), task("after", "echo", "large")))
        states = await world.end([large])
        grown = round(worker.memory_mb() - before, 1)
    require(states[large] == "succeeded", f"the project {states[large]}")
    require(grown <= MOST_MEMORY_MB, f"the worker grew by {grown} MB")
    largest = max(heard.size for heard in queue.messages)
    require(largest <= MOST_MESSAGE_BYTES, f"a message of {largest} bytes")
    row = await world.count("SELECT max(length(CAST(result AS TEXT))) FROM journal")
    require(row <= MOST_ROW_BYTES, f"a row of {row} bytes")
    files = [path.stat().st_size for path in files_below(world.data / "results")]
    require(max(files, default=0) > MEGABYTES * 999_999, f"the files have {files} bytes")
    return {
        "worker + MB": grown,
        "largest message B": largest,
        "largest row KB": round(row / 1_000, 1),
        "largest file MB": round(max(files, default=0) / 1e6, 1),
    }
