"""PostgreSQL crashed in mid-commit, away for a while, and committing without saying so."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

from tests.chaos.evidence import read_effects
from tests.chaos.fault import Figures, fault, require
from tests.chaos.measures import attempts_repeated, recorded_calls
from tests.chaos.posting import Posting
from tests.chaos.proxy import Proxy
from tests.chaos.world import World
from tests.support.rig import plan, task

ONLY = ("postgresql",)
CRASHES, CRASHES_SHORT = 10, 2
AWAY_SECONDS = 6.0
RECOVERY_SECONDS = 5.0
LOST_SHARE = 0.05
LEASE_SECONDS = 3.0
"""Shorter than the outage; long enough for two busy processors to renew it in time."""
WIDTH = 6
ONE_STEP = json.dumps({"steps": 1})
POSTED = {
    "phases": [
        {
            "key": "p",
            "title": "P",
            "tasks": [
                {"key": "one", "title": "One", "agent": "walker", "instructions": ONE_STEP},
                {"key": "two", "title": "Two", "agent": "marker", "instructions": "marks: 1"},
            ],
        }
    ]
}


@dataclass(frozen=True, slots=True)
class Scene:
    """An API and two workers that reach PostgreSQL through a proxy, and a client that posts."""

    world: World
    proxy: Proxy
    posting: Posting

    async def until_posted(self, more: int) -> float:
        """Wait until so many more projects were accepted; return how long that took."""
        began, wanted = monotonic(), len(self.posting.projects) + more
        await self.world.until(
            lambda: len(self.posting.projects) >= wanted, what="a project to be accepted"
        )
        return monotonic() - began

    async def see_commits(self, count: int) -> None:
        """Return when so many commits were sent: the last one is on its way."""
        seen = iter(range(1, count))
        last = asyncio.Event()

        def see(data: bytes) -> bool:
            if b"COMMIT" in data and next(seen, None) is None:
                last.set()
            return False

        self.proxy.lose_answers(see)
        await last.wait()

    async def crash(self, away_seconds: float = 0.0) -> float:
        """Crash the server, run it again, and return the seconds until work went on."""
        server = self.world.ground.server
        await asyncio.to_thread(server.crash)
        try:
            back = monotonic() + away_seconds
            await self.world.until(lambda: monotonic() >= back)
            done = len(read_effects(self.world))
        finally:
            server.run()  # here, not in a thread: it is to die with this one
        began = monotonic()
        await self.until_posted(2)
        await self.world.until(
            lambda: len(read_effects(self.world)) > done, what="an effect after the crash"
        )
        return monotonic() - began

    def require_polite_refusals(self) -> int:
        """Only 201 and 503 were answered, each 503 with Retry-After; return how many 503."""
        statuses = self.posting.statuses()
        require(statuses <= {201, 503}, f"POST answered {statuses}")
        refused = [answer for answer in self.posting.answers if answer.status == 503]
        rude = [answer for answer in refused if "retry-after" not in answer.headers]
        require(not rude, f"{len(rude)} of {len(refused)} answers 503 had no Retry-After")
        return len(refused)


@asynccontextmanager
async def _work_goes_on(world: World) -> AsyncIterator[Scene]:
    """Set the scene; its client posts as long as the context lasts."""
    world.lease_seconds = LEASE_SECONDS
    proxy = await world.keep(Proxy(world.ground.server.port))
    through = world.database_url.replace(f":{world.ground.server.port}/", f":{proxy.port}/")
    world.settings["NEXUS_DATABASE_URL"] = through
    await world.start_api()
    await world.start_workers(2)
    async with Posting(world, POSTED) as posting:
        scene = Scene(world, proxy, posting)
        await scene.until_posted(1)
        yield scene
        proxy.lose_answers(None)


async def _all_done_once(world: World, projects: list[str]) -> Figures:
    """Every project succeeded; no effect, call or attempt was made twice."""
    states = await world.end(projects)
    require(set(states.values()) == {"succeeded"}, f"the projects ended {states}")
    effects = read_effects(world)
    expected = 2 * len(projects)
    require(len(effects) == expected, f"{len(effects)} effects, {expected} needed")
    recorded = await recorded_calls(world)
    require(world.model.calls == recorded, f"{world.model.calls} calls, {recorded} recorded")
    again = await attempts_repeated(world)
    require(again == 0, f"{again} attempts were made again")
    return {"projects": len(projects), "model calls": recorded}


@fault(
    "postgres-crashed",
    row="PostgreSQL crashes (immediate shutdown) while commits are on their way, 10 times",
    runs=5,
    databases=ONLY,
    alone=True,
)
async def postgres_crashed(world: World) -> Figures:
    recoveries: list[float] = []
    async with _work_goes_on(world) as scene:
        for _ in range(CRASHES_SHORT if world.is_short else CRASHES):
            await scene.see_commits(world.random.randint(1, 40))
            recoveries.append(await scene.crash())
    refused = scene.require_polite_refusals()
    figures = await _all_done_once(world, scene.posting.projects)
    slowest = round(max(recoveries), 2)
    require(slowest <= RECOVERY_SECONDS, f"recovered after {slowest} s")
    return {"crashes": len(recoveries), "recovery s": slowest, "503": refused, **figures}


@fault("postgres-away", row="PostgreSQL down for 6 s", runs=10, short=0, databases=ONLY, alone=True)
async def postgres_away(world: World) -> Figures:
    async with _work_goes_on(world) as scene:
        project = await world.submit(
            plan(*(task(f"t{n}", "marker", instructions="marks: 3") for n in range(WIDTH)))
        )
        await world.until(lambda: world.model.open > 0, what="a model call")
        in_flight = world.model.open
        recovery = round(await scene.crash(AWAY_SECONDS), 2)
        await world.end([project])
    refused = scene.require_polite_refusals()
    require(refused > 0, "the API never refused")
    require(recovery <= RECOVERY_SECONDS, f"recovered after {recovery} s")
    states = await world.end(scene.posting.projects)
    require(set(states.values()) == {"succeeded"}, f"the projects ended {states}")
    recorded = await recorded_calls(world)
    require(world.model.calls == recorded, f"{world.model.calls} calls, {recorded} recorded")
    again = await attempts_repeated(world)
    require(again == 0, f"{again} attempts were made again")
    return {"recovery s": recovery, "503": refused, "calls kept": in_flight}


@fault(
    "postgres-answers-lost",
    row="PostgreSQL commits, and the answer of one COMMIT in twenty is lost",
    databases=ONLY,
)
async def postgres_answers_lost(world: World) -> Figures:
    async with _work_goes_on(world) as scene:
        scene.proxy.lose_answers(
            lambda data: b"COMMIT" in data and world.random.random() < LOST_SHARE
        )
        await scene.until_posted(5 if world.is_short else 20)
    refused = scene.require_polite_refusals()
    require(scene.proxy.lost > 0, "no answer was lost")
    figures = await _all_done_once(world, scene.posting.projects)
    return {"answers lost": scene.proxy.lost, "503": refused, **figures}
