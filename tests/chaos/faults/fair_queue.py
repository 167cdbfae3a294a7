"""Ten thousand subtasks of ten projects at once: all done, and no project waits for the others."""

from tests.chaos.fault import Figures, fault, require
from tests.chaos.world import World
from tests.support.rig import plan, task

PROJECTS, EACH = 10, 1_000
PROJECTS_SHORT, EACH_SHORT = 3, 400
"""More than a project announces at once (64), or the first to come would be the first to end."""
MOST_SPREAD = 2.0
LIMIT_SECONDS = 600.0
SLOTS = 20


@fault(
    "fair-queue",
    row="10,000 queued subtasks over 10 projects",
    runs=2,
    short_databases=("sqlite",),
    limit_seconds=LIMIT_SECONDS,
)
async def fair_queue(world: World) -> Figures:
    count, each = (PROJECTS_SHORT, EACH_SHORT) if world.is_short else (PROJECTS, EACH)
    subtasks = count * each
    wide = plan(*(task(f"t{n}", "quick") for n in range(each)))
    projects = [await world.submit(wide) for _ in range(count)]
    world.settings["NEXUS_CONCURRENCY"] = str(SLOTS)
    await world.start_workers(2)
    states = await world.end(projects, within=LIMIT_SECONDS)
    require(set(states.values()) == {"succeeded"}, f"the projects ended {states}")
    starts = await world.count("SELECT count(*) FROM events WHERE type = 'subtask.started'")
    require(starts == subtasks, f"{starts} claims of {subtasks} subtasks")
    began = await world.count("SELECT min(at) FROM events WHERE type = 'subtask.started'")
    ends = await _seconds(world, "max(at)", "subtask.succeeded", began)
    waits = await _seconds(world, "avg(at)", "subtask.started", began)
    require(
        ends[-1] <= MOST_SPREAD * ends[0], f"projects ended after {ends[0]:.2f} to {ends[-1]:.2f} s"
    )
    return {
        "subtasks": subtasks,
        "drained s": round(ends[-1], 1),
        "per s": round(subtasks / ends[-1]),
        "spread of ends x": round(ends[-1] / ends[0], 2),
        "spread of waits x": round(waits[-1] / waits[0], 2),
    }


async def _seconds(world: World, what: str, event: str, began_us: int) -> list[float]:
    """Sum each project's events of one type up to a time; list the seconds since, least first."""
    rows = await world.rows(
        f"SELECT project_id, {what} AS at FROM events WHERE type = :event GROUP BY project_id",
        event=event,
    )
    return sorted((float(row["at"]) - began_us) / 1e6 for row in rows)
