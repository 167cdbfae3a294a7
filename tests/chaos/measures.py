"""What several faults look for and report: read from a world's rows, events and calls."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from tests.chaos.member import Member
from tests.chaos.world import World


async def seconds_to_last(
    world: World, event: str, subtask_ids: Iterable[str], since_us: int
) -> float:
    """How long after `since_us` an event had come for each of these; -1 when one is missing."""
    rows = await world.rows(
        "SELECT subtask_id, min(at) AS at FROM events "
        "WHERE type = :event AND at > :since GROUP BY subtask_id",
        event=event,
        since=since_us,
    )
    came = {row["subtask_id"]: row["at"] for row in rows}
    times = [came.get(one, -1) for one in subtask_ids]
    if -1 in times:
        return -1.0
    return round((max(times, default=since_us) - since_us) / 1e6, 3)


async def running_under(world: World, worker_id: str) -> list[str]:
    """List the subtasks the database has under a worker."""
    rows = await world.rows(
        "SELECT id FROM subtasks WHERE owner = :owner AND status = 'running'", owner=worker_id
    )
    return [row["id"] for row in rows]


async def most_loaded(world: World, workers: Sequence[Member]) -> Member:
    """Wait until one of these workers has something in hand; return the one with most."""
    found: Member = await world.until(
        lambda: loaded(world, workers), what="a worker to have something in hand"
    )
    return found


async def loaded(world: World, workers: Sequence[Member]) -> Member | None:
    """Return the worker with most in hand; None if all hands are empty."""
    loads = [(len(await running_under(world, one.id)), one) for one in workers]
    most, found = max(loads, key=lambda load: load[0])
    return found if most else None


async def calls_in_flight(world: World, subtask_ids: Sequence[str]) -> int:
    """Count the model calls of these subtasks that are begun and not recorded."""
    rows = await world.rows(
        "SELECT subtask_id FROM journal WHERE kind = 'model' AND status = 'begun'"
    )
    return sum(row["subtask_id"] in subtask_ids for row in rows)


async def recorded_calls(world: World) -> int:
    """Count the model calls whose reply is recorded."""
    return await world.count(
        "SELECT count(*) FROM journal WHERE kind = 'model' AND status = 'recorded'"
    )


async def attempts_repeated(world: World) -> int:
    """Count the attempts beyond the first that subtasks of projects needed.

    What ended projects leave to memory is no project's: here it waits for a Chroma that is away.
    """
    return await world.count(
        "SELECT COALESCE(sum(attempt - 1), 0) FROM subtasks "
        "WHERE project_id IS NOT NULL AND attempt > 1"
    )


async def attempts_lost(world: World) -> int:
    """Count how often a subtask was taken from a worker that was held to be dead."""
    return (await errors_of_attempts(world))["worker_lost"]


async def errors_of_attempts(world: World) -> Counter[str]:
    """Count the errors that ended attempts, by their code."""
    rows = await world.rows(
        "SELECT data FROM events WHERE type IN ('subtask.retrying', 'subtask.failed')"
    )
    return Counter(json.loads(row["data"])["error"]["code"] for row in rows)
