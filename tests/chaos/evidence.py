"""What is left after a run, for the history checker to judge: rows, calls, effects, keys, strays."""

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.chaos.conversation import Asked, asked
from tests.chaos.installation import RUN, now_us
from tests.chaos.world import World
from tests.support.history import History, Row
from tests.support.processes import kill, marked


@dataclass(frozen=True, slots=True)
class Done:
    """An effect that took place, under its idempotency key."""

    key: str
    what: str
    at_us: int

    @property
    def subtask_id(self) -> str:
        """Whose it was: the key of a tool's begins with it, as does a step's."""
        return self.key.partition("/")[0].partition(":")[0]


@dataclass(frozen=True, slots=True)
class Key:
    """A Redis key; `ttl_seconds` is -1 without an expiry."""

    name: str
    ttl_seconds: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything one run left behind."""

    installation_id: str
    histories: Sequence[History]
    journal: Sequence[Row]
    workers: Sequence[Row]
    approvals: Sequence[Row]
    calls: Sequence[Asked]
    effects: Sequence[Done]
    keys: Sequence[Key]
    accepted: frozenset[str]
    left_planned: frozenset[str]
    cancelled: dict[str, int]
    interruptions: int
    strays: Sequence[str]
    temporaries: Sequence[str]
    gathered_us: int
    lease_seconds: float


async def gather(world: World) -> Evidence:
    """End the world's processes and collect what they left."""
    gathered_us = now_us()
    workers = await world.rows("SELECT * FROM workers")
    await world.end_members()
    strays = marked(f"{RUN}={world.marker}")
    for stray in strays:
        kill(stray)
    return Evidence(
        installation_id=world.database.installation_id,
        histories=await _histories(world),
        journal=await world.rows("SELECT * FROM journal ORDER BY subtask_id, number"),
        workers=workers,
        approvals=await world.rows("SELECT * FROM approvals"),
        calls=asked(world.model),
        effects=read_effects(world),
        keys=await _keys(world),
        accepted=frozenset(world.accepted),
        left_planned=frozenset(world.left_planned),
        cancelled=dict(world.cancelled),
        interruptions=world.interruptions,
        strays=[f"{one.pid} {one.command}" for one in strays],
        temporaries=sorted(path.name for path in world.temporary.iterdir()),
        gathered_us=gathered_us,
        lease_seconds=world.lease_seconds,
    )


def read_effects(world: World) -> list[Done]:
    """Read the lines the workers' effects left so far."""
    if not world.effects_file.exists():
        return []
    lines = [json.loads(line) for line in world.effects_file.read_text().splitlines()]
    began_us = now_us() - time.monotonic_ns() // 1_000
    return [Done(line["key"], line["what"], began_us + line["at_us"]) for line in lines]


async def _histories(world: World) -> list[History]:
    tasks = _by_project(await world.rows("SELECT * FROM tasks ORDER BY node"))
    subtasks = _by_project(await world.rows("SELECT * FROM subtasks ORDER BY id"))
    events = _by_project(await world.rows("SELECT * FROM events ORDER BY seq"))
    nodes = _by_project(await world.rows("SELECT * FROM nodes ORDER BY node"))
    edges = _by_project(await world.rows("SELECT * FROM edges"))
    phases = _by_project(await world.rows("SELECT * FROM phases"))
    approvals = _by_project(await world.rows("SELECT * FROM approvals ORDER BY id"))
    offshoots = _by_project(await world.rows("SELECT * FROM offshoots ORDER BY subtask_id"))
    reservations = _by_project(await world.rows("SELECT * FROM reservations"))
    parts = _by_project(await world.rows("SELECT * FROM parts ORDER BY subtask_id"))
    found = (tasks, subtasks, events, nodes, edges, phases, approvals, offshoots, reservations)
    return [
        History(row, *(rows[row["id"]] for rows in (*found, parts)))
        for row in await world.rows("SELECT * FROM projects ORDER BY id")
    ]


def _by_project(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["project_id"]].append(row)
    return found


async def _keys(world: World) -> list[Key]:
    """List what Redis holds; nothing when it is away."""
    client = Redis.from_url(world.redis_url, decode_responses=True)
    try:
        names = [name async for name in client.scan_iter(count=1_000)]
        return [Key(name, int(await client.ttl(name))) for name in names]
    except RedisError:
        return []
    finally:
        await client.aclose()
