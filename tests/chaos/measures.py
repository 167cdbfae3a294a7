"""Figures that several faults report, read from a world's events and calls."""

from collections.abc import Iterable

from tests.chaos.world import World


async def seconds_to_next_start(world: World, subtask_ids: Iterable[str], since_us: int) -> float:
    """How long after `since_us` the last of these subtasks was started again; -1 when one never was."""
    rows = await world.rows(
        "SELECT subtask_id, min(at) AS at FROM events "
        "WHERE type = 'subtask.started' AND at > :since GROUP BY subtask_id",
        since=since_us,
    )
    started = {row["subtask_id"]: row["at"] for row in rows}
    times = [started.get(one) for one in subtask_ids]
    found = [at for at in times if at is not None]
    if len(found) < len(times):
        return -1.0
    return round((max(found, default=since_us) - since_us) / 1e6, 3)


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
