"""A budget on a project that would cost a hundred times as much, with workers that die."""

from collections.abc import Sequence
from typing import Any, Final

from nexus.domain.budget import Budget, Limit
from tests.chaos.fault import Figures, fault, require
from tests.chaos.measures import calls_in_flight, loaded, running_under
from tests.chaos.member import Member
from tests.chaos.world import WORKSPACE, World
from tests.support.rig import plan, task

WORKERS: Final = 4
TASKS: Final = 12
MARKS: Final = 3
CALLS: Final = TASKS * (MARKS + 1)
MODEL: Final = "openai:gpt-4"
CALL_PICO: Final = 4_200_000_000
"""What one call of the scripted model costs at the prices of gpt-4; all of them cost $0.20."""
CALL_TOKENS: Final = 120
BUDGETS: Final[tuple[dict[Limit, int], ...]] = (
    {Limit.COST: 10**10},
    {Limit.TOKENS: 5_000},
    {Limit.CALLS: 9},
    {Limit.COST: 6 * 10**10},
)
"""A cent, which leaves room for a call at a time; and budgets in which calls fly side by side."""


@fault(
    "budget-runs-out",
    row="a budget runs out under four workers, of which some are killed",
    limit_seconds=150,
    short_databases=("sqlite",),
)
async def budget_runs_out(world: World) -> Figures:
    """Kill workers in mid-call until nothing goes on, look at the bill, raise the budget, finish."""
    limits = BUDGETS[world.seed % len(BUDGETS)]
    world.settings["NEXUS_MODEL"] = MODEL
    alive = await world.start_workers(WORKERS, elsewhere=True)
    tasks = (task(f"t{n}", "marker", instructions=f"marks: {MARKS}") for n in range(TASKS))
    project = await world.submit(plan(*tasks), budget=Budget(limits))
    lost = 0
    for at_call in sorted(world.random.sample(range(1, _most_calls(limits)), 2)):
        victim = await _victim(world, project, alive, at_call)
        if victim is None:
            break
        world.kill(victim)
        alive.remove(victim)
        lost += await calls_in_flight(world, await running_under(world, victim.id))
        alive.append(await world.start_worker(elsewhere=True))
    await world.until(lambda: _rests(world, project), what="the project to wait for its budget")
    spent = await _spent(world, project)
    bill = {Limit.COST: world.model.calls * CALL_PICO, Limit.CALLS: world.model.calls}
    bill[Limit.TOKENS] = world.model.calls * CALL_TOKENS
    cost_of_call = {Limit.COST: CALL_PICO, Limit.CALLS: 1, Limit.TOKENS: CALL_TOKENS}
    for limit, most in limits.items():
        one = cost_of_call[limit]
        require(most <= spent[limit], f"it rests at {spent[limit]} of {limit} {most}")
        over = spent[limit] - most
        require(over <= one * TASKS, f"{limit}: {over} over, more than a call for each subtask")
        require(bill[limit] <= spent[limit] + one * lost, f"{bill[limit]} at the model's server")
    kept = {"calls": spent[Limit.CALLS], "lost": lost, "over": _over(limits, spent)}
    await _raise(world, project)
    states = await world.end([project], within=90)
    require(states[project] == "succeeded", f"the project {states[project]}")
    require(world.model.calls >= CALLS, "it ended without its calls")
    return {**kept, "calls_in_all": world.model.calls}


def _most_calls(limits: dict[Limit, int]) -> int:
    """How many calls fit, about: the deaths come before."""
    sizes = {Limit.COST: CALL_PICO, Limit.CALLS: 1, Limit.TOKENS: CALL_TOKENS}
    return max(3, min(most // sizes[limit] for limit, most in limits.items()))


def _over(limits: dict[Limit, int], spent: dict[Limit, int]) -> float:
    """By which part of itself the budget was exceeded."""
    return round(max(spent[limit] / most - 1 for limit, most in limits.items()), 2)


async def _victim(
    world: World, project: str, workers: Sequence[Member], call: int
) -> Member | None:
    """Wait for a call of the model and a worker with work in hand; None if the budget ends first."""

    async def either() -> bool:
        if await _rests(world, project):
            return True
        return world.model.calls >= call and await loaded(world, workers) is not None

    await world.until(either, what=f"call {call}")
    return await loaded(world, workers)


async def _rests(world: World, project: str) -> bool:
    rows = await world.rows("SELECT status FROM projects WHERE id = :id", id=project)
    return bool(rows[0]["status"] == "waiting")


async def _spent(world: World, project: str) -> dict[Limit, int]:
    row: Any = (await world.rows("SELECT * FROM projects WHERE id = :id", id=project))[0]
    return {
        Limit.COST: row["cost_pico_usd"],
        Limit.TOKENS: row["input_tokens"] + row["output_tokens"],
        Limit.CALLS: row["requests"],
    }


async def _raise(world: World, project: str) -> None:
    engine = world.parts.engine
    plenty = Budget({Limit.COST: 10**13})
    await engine.run(lambda turn: engine.set_budget(turn, WORKSPACE, project, plenty))
    await engine.run(lambda turn: engine.resume(turn, WORKSPACE, project))
