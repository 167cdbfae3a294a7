"""Figures that several faults report, read from a world's events and calls."""

from collections.abc import Iterable

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


async def recorded_calls(world: World) -> int:
    """Count the model calls whose reply is recorded."""
    return await world.count(
        "SELECT count(*) FROM journal WHERE kind = 'model' AND status = 'recorded'"
    )
