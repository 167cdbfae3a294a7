"""Kill -9 of a worker at any call of work that is rejected, revised and accepted."""

from typing import Any, Final

from tests.chaos.conversation import marking, task_of
from tests.chaos.fault import Figures, fault, require
from tests.chaos.measures import calls_in_flight, recorded_calls, running_under
from tests.chaos.world import World
from tests.scripted_model import Reply, Script, ToolCalls
from tests.support.rig import plan, task

TASKS: Final = 3
MARKS: Final = 1
CALLS: Final = TASKS * 2 * (MARKS + 1 + 1)
"""Each task is worked on, rejected, revised and accepted."""


def _judging(otherwise: Script) -> Script:
    """Reject an output that was not revised; say so in one that was."""

    def script(request: dict[str, Any]) -> Any:
        prompt = str(request["messages"])
        if "<criteria>" in prompt:
            return _verdict("revised" in prompt.partition("<submission>")[2])
        if "<findings>" in prompt and any(one["role"] == "tool" for one in request["messages"]):
            return f"The revised answer to {task_of(request)}."
        return otherwise(request)

    return script


def _verdict(met: bool) -> Reply:
    finding = {"criterion": 1, "met": met, "evidence": "its words", "fix": "revise it"}
    return ToolCalls((("submit_verdict", {"accepted": met, "findings": [finding]}),))


@fault(
    "kill-review",
    row="kill -9 a worker while outputs are written, reviewed, rejected and revised",
    runs=20,
    short_databases=("postgresql",),
)
async def kill_review(world: World) -> Figures:
    world.model.script = _judging(marking(world.seed, 0.02, 0.15))
    worker = await world.start_worker()
    fields = {"instructions": f"marks: {MARKS}", "acceptance": ["It is right."], "review": True}
    project = await world.submit(plan(*(task(f"t{n}", "marker", **fields) for n in range(TASKS))))
    at_call = world.random.randint(1, CALLS - 1)
    await world.until(lambda: world.model.calls >= at_call, what=f"call {at_call}")
    world.kill(worker)
    in_flight = await calls_in_flight(world, await running_under(world, worker.id))
    await world.start_worker()
    states = await world.end([project])
    require(states[project] == "succeeded", f"the project {states[project]}")
    rows = await world.rows(
        "SELECT s.output FROM tasks t JOIN subtasks s ON s.id = t.subtask_id ORDER BY t.key"
    )
    wrong = [row["output"] for row in rows if not row["output"].startswith("The revised answer")]
    require(not wrong, f"outputs that no review accepted: {wrong}")
    recorded = await recorded_calls(world)
    require(recorded == CALLS, f"{recorded} calls recorded, {CALLS} needed")
    return {"calls in flight": in_flight, "calls repeated": world.model.calls - recorded}
