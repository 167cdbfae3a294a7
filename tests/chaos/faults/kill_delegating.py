"""Kill -9 of workers, twice, while parents wait and the parts they have delegated run."""

import json
import re
from typing import Any, Final

from tests.chaos.conversation import marking, task_of
from tests.chaos.fault import Figures, fault, require
from tests.chaos.measures import calls_in_flight, recorded_calls, running_under
from tests.chaos.member import Member
from tests.chaos.world import World
from tests.scripted_model import Script, ToolCalls
from tests.support.rig import plan, task

TASKS: Final = 3
PARTS: Final = 3
CALLS: Final = TASKS * (2 + PARTS * 2)
"""Each parent delegates and answers; each part leaves a mark and answers."""
TITLE: Final = re.compile(r'title="(part \d+)"')


def _dividing(otherwise: Script) -> Script:
    """Delegate, then put the outputs together; a part leaves its mark."""

    def script(request: dict[str, Any]) -> Any:
        messages = request["messages"]
        if TITLE.search(str(messages[1]["content"])):
            return otherwise(request)
        read = [json.loads(one["content"]) for one in messages if one["role"] == "tool"]
        if not read:
            return ToolCalls((("delegate", {"parts": _parts(task_of(request))}),))
        outputs = [one["output"] for one in read[0]]
        return f"{len(outputs)} parts of {task_of(request)}: {' '.join(outputs)}"

    return script


def _parts(key: str) -> list[dict[str, str]]:
    return [
        {"agent": "marker", "title": f"part {n}", "instructions": f"Part {n} of {key}. marks: 1"}
        for n in range(PARTS)
    ]


async def _kill(world: World, worker: Member, at_call: int) -> tuple[int, int]:
    """Kill a worker at a call; count the calls it had in flight, and the parents that waited."""
    await world.until(lambda: world.model.calls >= at_call, what=f"call {at_call}")
    world.kill(worker)
    in_flight = await calls_in_flight(world, await running_under(world, worker.id))
    waiting = await world.count(
        "SELECT count(*) FROM subtasks WHERE kind = 'work' AND status = 'waiting'"
    )
    return in_flight, waiting


@fault(
    "kill-delegating",
    row="kill -9 workers while parents wait and the parts they have delegated run",
    runs=20,
    short_databases=("postgresql",),
)
async def kill_delegating(world: World) -> Figures:
    world.model.script = _dividing(marking(world.seed, 0.02, 0.15))
    worker = await world.start_worker()
    tasks = [task(f"t{n}", "divider", instructions="Divide it.") for n in range(TASKS)]
    project = await world.submit(plan(*tasks))
    first, second = sorted(world.random.sample(range(TASKS + 1, CALLS), 2))
    in_flight, waiting = await _kill(world, worker, first)
    worker = await world.start_worker()
    more = await _kill(world, worker, second + in_flight)
    await world.start_worker()
    states = await world.end([project])
    require(states[project] == "succeeded", f"the project {states[project]}")
    await _check(world)
    recorded = await recorded_calls(world)
    require(recorded == CALLS, f"{recorded} calls recorded, {CALLS} needed")
    lost = in_flight + more[0]
    repeated = world.model.calls - recorded
    require(repeated <= lost, f"{repeated} calls repeated, {lost} were in flight")
    return {
        "parents waiting": waiting + more[1],
        "calls in flight": lost,
        "calls repeated": repeated,
    }


async def _check(world: World) -> None:
    """Each parent delegated once, was woken once, and read what its parts came to."""
    parts = await world.count("SELECT count(*) FROM subtasks WHERE kind = 'delegated'")
    require(parts == TASKS * PARTS, f"{parts} parts, {TASKS * PARTS} were delegated")
    queued = await world.rows(
        "SELECT e.subtask_id, count(*) AS times FROM events e JOIN subtasks s "
        "ON s.id = e.subtask_id WHERE e.type = 'subtask.queued' AND s.kind = 'work' "
        "GROUP BY e.subtask_id"
    )
    require(all(row["times"] == 2 for row in queued), f"parents were queued: {queued}")
    rows = await world.rows(
        "SELECT t.key, s.output FROM tasks t JOIN subtasks s ON s.id = t.subtask_id"
    )
    for row in rows:
        answer = f"The answer to {row['key']} is {row['key']}-42."
        expected = f"{PARTS} parts of {row['key']}: {' '.join([answer] * PARTS)}"
        require(row["output"] == expected, f"{row['key']} says {row['output']}")
