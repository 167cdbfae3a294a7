"""Redis restarted, emptied, away, and doing what it is asked without saying so."""

import asyncio
import json
from time import monotonic

from nexus.domain.plan import Plan
from tests.chaos.evidence import read_effects
from tests.chaos.fault import Figures, fault, require
from tests.chaos.installation import now_us
from tests.chaos.measures import attempts_repeated
from tests.chaos.posting import Posting
from tests.chaos.proxy import Proxy
from tests.chaos.world import World
from tests.support.rig import plan, task
from tests.support.valkey import command

RUNNING = 4
QUEUED = 200
CLAIM_SECONDS = 6.0
AWAY_SECONDS = 6.0
AWAY_SHORT_SECONDS = 2.0
ONE_STEP = json.dumps({"steps": 1})
POSTED = {
    "phases": [
        {
            "key": "p",
            "title": "P",
            "tasks": [{"key": "one", "title": "One", "agent": "walker", "instructions": ONE_STEP}],
        }
    ]
}


def _caught(world: World) -> Plan:
    """Four tasks that hold every slot until a gate opens, and two hundred behind them."""
    held = json.dumps({"gate": str(world.folder / "gate")})
    return plan(
        *(task(f"held{n}", "waiter", instructions=held) for n in range(RUNNING)),
        *(task(f"t{n}", "walker", instructions=ONE_STEP) for n in range(QUEUED)),
    )


async def _first_claim(world: World, project_id: str, since_us: int) -> float:
    """Seconds until the first subtask of a project was claimed after `since_us`."""

    async def at() -> int:
        return await world.count(
            "SELECT COALESCE(min(at), 0) FROM events WHERE type = 'subtask.started' "
            "AND project_id = :project AND at > :since",
            project=project_id,
            since=since_us,
        )

    at_us: int = await world.until(at, what="a claim")
    return round((at_us - since_us) / 1e6, 2)


async def _all_done_once(world: World, projects: list[str], tasks: int) -> None:
    """Every project succeeded, every effect took place exactly once, no attempt was wasted."""
    states = await world.end(projects)
    require(set(states.values()) == {"succeeded"}, f"the projects ended {states}")
    effects = read_effects(world)
    keys = {done.key for done in effects}
    require(len(effects) == len(keys) == tasks, f"{len(effects)} effects of {tasks} tasks")
    again = await attempts_repeated(world)
    require(again == 0, f"{again} attempts were made again")


async def _disturb(world: World, seconds: float | None) -> Figures:
    """Empty Redis (None), or take it away for some seconds, with 200 queued and 4 running."""
    await world.start_api()
    await world.start_worker(NEXUS_CONCURRENCY=str(RUNNING))
    project = await world.submit(_caught(world))
    running = "SELECT count(*) FROM subtasks WHERE status = 'running'"

    async def all_run() -> bool:
        return await world.count(running) == RUNNING

    await world.until(all_run)
    async with Posting(world, POSTED) as posting:
        since_us = now_us()
        (world.folder / "gate").touch()
        if seconds is None:
            command(world.redis_port, "FLUSHALL")
        else:
            await asyncio.to_thread(world.stop_valkey)
            back = monotonic() + seconds
            await world.until(lambda: monotonic() >= back)
            await asyncio.to_thread(world.start_valkey)
        claimed = await _first_claim(world, project, since_us)
        await world.end([project])
    require(posting.statuses() == {201}, f"POST answered {posting.statuses()}")
    require(claimed <= CLAIM_SECONDS, f"the first claim came after {claimed} s")
    tasks = RUNNING + QUEUED + len(posting.projects)
    await _all_done_once(world, [project, *posting.projects], tasks)
    return {
        "first claim s": claimed,
        "posted": len(posting.projects),
        "slowest POST s": posting.slowest(),
        "effects": tasks,
    }


@fault(
    "redis-flushed",
    row="FLUSHALL with 200 queued and 4 running",
    runs=20,
    short_databases=("postgresql",),
)
async def redis_flushed(world: World) -> Figures:
    return await _disturb(world, None)


@fault("redis-restarted", row="Redis restarted, empty, with 200 queued and 4 running", short=0)
async def redis_restarted(world: World) -> Figures:
    return await _disturb(world, 0.0)


@fault(
    "redis-away",
    row="Redis down for 6 s with 200 queued and 4 running",
    runs=10,
    short_databases=("sqlite",),
)
async def redis_away(world: World) -> Figures:
    return await _disturb(world, AWAY_SHORT_SECONDS if world.is_short else AWAY_SECONDS)


@fault(
    "redis-answers-lost",
    row="Redis does what it is asked, and one answer in ten is lost",
    short_databases=("postgresql",),
)
async def redis_answers_lost(world: World) -> Figures:
    projects, width, depth = 3, 10, 3
    proxy = await world.keep(Proxy(world.redis_port))
    world.settings["NEXUS_REDIS_URL"] = f"redis://127.0.0.1:{proxy.port}/0"
    await world.start_api()
    await world.start_workers(2)
    proxy.lose_answers(lambda data: world.random.random() < 0.1)
    layers = plan(
        *(
            task(f"t{layer}.{n}", "walker", *_above(layer, n), instructions=ONE_STEP)
            for layer in range(depth)
            for n in range(width)
        )
    )
    async with Posting(world, POSTED) as posting:
        made = [await world.submit(layers) for _ in range(projects)]
        await world.end(made)
    require(posting.statuses() == {201}, f"POST answered {posting.statuses()}")
    proxy.lose_answers(None)
    require(proxy.lost > 0, "no answer was lost")
    tasks = projects * width * depth + len(posting.projects)
    await _all_done_once(world, [*made, *posting.projects], tasks)
    return {
        "answers lost": proxy.lost,
        "posted": len(posting.projects),
        "slowest POST s": posting.slowest(),
        "effects": tasks,
    }


def _above(layer: int, number: int) -> tuple[str, ...]:
    return (f"t{layer - 1}.{number}",) if layer else ()
