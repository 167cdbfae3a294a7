"""A project is cancelled in mid-work, as a worker dies or sleeps: it stops, and only it."""

import asyncio
import json
import random
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from nexus.domain.plan import Plan
from tests.chaos.agents import LINGERING
from tests.chaos.conversation import asked, fingerprint_of, marking, project_of
from tests.chaos.evidence import read_effects
from tests.chaos.fault import Figures, fault, require
from tests.chaos.installation import now_us
from tests.chaos.measures import most_loaded
from tests.chaos.member import Member
from tests.chaos.world import World
from tests.scripted_model import Reply
from tests.support.rig import plan, task

PROJECTS: Final = 3
MARKERS: Final = 3
MARKS: Final = 2
CALLS: Final = MARKERS * (MARKS + 1)
WALK: Final = json.dumps({"steps": 12, "rest_seconds": 0.1})
CONCURRENCY: Final = 5
"""Ten slots, of which what is long takes six as long as it lasts."""
HELD, LET = "held", "let"
STOP_SECONDS: Final = 5.0
TROUBLES: Final = ("none", "kill before", "kill after", "stop before", "stop after")
MOST_LEASES: Final = 2.5


class Talk:
    """Answers as `marking` does, but from a call of one project on every other only when it is left.

    `open` are that project's calls that nobody has answered or left; the last was at `closed_us`.
    """

    def __init__(self, seed: int, name: str, at_call: int) -> None:
        self.arrived = 0
        self.open = 0
        self.closed_us = 0
        self._seed, self._name, self._at_call = seed, name, at_call
        self._otherwise: Any = marking(seed, 0.02, 0.15)

    async def __call__(self, request: dict[str, Any]) -> Reply:
        if project_of(request) != self._name:
            return await self._answer(request)
        self.arrived += 1
        self.open += 1
        try:
            if self._is_endless(request):
                await asyncio.Event().wait()
            return await self._answer(request)
        finally:
            self.open -= 1
            self.closed_us = now_us()

    def _is_endless(self, request: dict[str, Any]) -> bool:
        draw = random.Random(f"{self._seed} {fingerprint_of(request)} endless")
        later = self.arrived > self._at_call and draw.random() < 0.5
        return later or self.arrived == self._at_call

    async def _answer(self, request: dict[str, Any]) -> Reply:
        reply: Reply = await self._otherwise(request)
        return reply


class Trouble:
    """What happens to a worker around the cancel; left, it is over. `over_us`: since when."""

    def __init__(self, world: World, workers: Sequence[Member]) -> None:
        self.what = TROUBLES[world.seed % len(TROUBLES)]
        self.over_us = 0
        self.killed_pid = 0
        self._world, self._workers = world, workers
        self._sleep_us = int(world.random.uniform(0.2, MOST_LEASES) * world.lease_seconds * 1e6)
        self._victim: Member | None = None
        self._waking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._waking is not None:
            await self._waking

    async def choose(self) -> None:
        """Choose whoever has most in hand."""
        self._victim = await most_loaded(self._world, self._workers)

    def strike(self, when: str) -> None:
        """Kill or stop the chosen worker, if now is when; what is stopped wakes by itself."""
        if self._victim is None or not self.what.endswith(when):
            return
        if self.what.startswith("kill"):
            self.over_us = self._world.kill(self._victim)
            self.killed_pid = self._victim.pid
        else:
            self._world.interruptions += 1
            self._victim.pause()
            self._waking = asyncio.create_task(self._wake(self._victim))

    async def _wake(self, sleeper: Member) -> None:
        until_us = now_us() + self._sleep_us
        await self._world.until(lambda: now_us() >= until_us, what="the sleep to be over")
        sleeper.resume()
        self.over_us = now_us()


def _gate(world: World, place: str) -> Path:
    return world.folder / place / "gate"


def _work(world: World, place: str) -> Plan:
    """Model calls, tool calls and steps; two last until the gate of the place is open."""
    gate = _gate(world, place)
    gate.parent.mkdir(exist_ok=True)
    long = {where: json.dumps({"in": where, "gate": str(gate)}) for where in ("tool", "step")}
    tasks = [task(f"long-{where}", "lingerer", instructions=long[where]) for where in long]
    tasks += [task(f"walk-{n}", "walker", instructions=WALK) for n in range(2)]
    tasks += [task(f"mark-{n}", "marker", instructions=f"marks: {MARKS}") for n in range(MARKERS)]
    return plan(*tasks, task("last", "quick", *(one["key"] for one in tasks)))


def _lingering(world: World, killed_pid: int) -> list[str]:
    """List the long calls of what is to stop that still run."""
    found = [path.name for path in _gate(world, HELD).parent.glob(f"{LINGERING}*")]
    return [name for name in found if not name.endswith(f"-{killed_pid}")]


@fault(
    "cancel",
    row="cancel a project in mid-work, in some runs as a worker is killed or stopped; it alone stops",
    runs=20,
    limit_seconds=240,
    short_databases=("postgresql",),
)
async def cancel(world: World) -> Figures:
    chosen, at_call = world.random.randrange(PROJECTS), world.random.randint(1, CALLS)
    talk = Talk(world.seed, f"Project {chosen}", at_call)
    world.model.script = talk
    world.settings["NEXUS_CONCURRENCY"] = str(CONCURRENCY)
    await world.start_api()
    workers = await world.start_workers(2, elsewhere=world.random.random() < 0.5)
    projects = [
        await world.submit(_work(world, HELD if n == chosen else LET)) for n in range(PROJECTS)
    ]
    target = projects.pop(chosen)
    paused = world.random.choice(projects)
    async with Trouble(world, workers) as trouble:
        await world.until(lambda: talk.arrived, what="a call of the project")
        await world.steer(paused, "pause")
        await world.until(lambda: talk.arrived >= at_call, what=f"its call {at_call}")
        await trouble.choose()
        trouble.strike("before")
        asked_us, in_flight = now_us(), talk.open
        answered_us = await world.cancel(target)
        trouble.strike("after")
    since_us = max(answered_us, trouble.over_us)
    limit = STOP_SECONDS + world.slack_seconds
    await world.until(
        lambda: not talk.open and not _lingering(world, trouble.killed_pid),
        within=limit,
        what="every run of the project to stop",
    )
    stopped_us = now_us()
    _gate(world, LET).touch()
    await world.steer(paused, "resume")
    states = await world.end([target, *projects])
    require(states.pop(target) == "cancelled", "the project did not end cancelled")
    require(set(states.values()) == {"succeeded"}, f"the others ended {states}")
    took = max(0.0, (talk.closed_us - since_us) / 1e6)
    require(took <= limit, f"its last call was closed after {took:.1f} s, {limit:g} s allowed")
    at_work, queued = await _caught(world, target)
    require(at_work, "nothing of the project was at work")
    return {
        "at work": at_work,
        "queued": queued,
        "calls in flight": in_flight,
        "answered after s": round((answered_us - asked_us) / 1e6, 3),
        "last call closed after s": round(took, 2),
        "stopped after s": round(max(0, stopped_us - since_us) / 1e6, 2),
        "arrived after": await _arrived_after(world, target, f"Project {chosen}", answered_us),
        "trouble": trouble.what,
    }


async def _caught(world: World, project: str) -> tuple[int, int]:
    """Count the subtasks that were cancelled after they had begun, and before."""
    rows = await world.rows(
        "SELECT attempt FROM subtasks WHERE project_id = :one AND status = 'cancelled'", one=project
    )
    begun = sum(row["attempt"] > 0 for row in rows)
    return begun, len(rows) - begun


async def _arrived_after(world: World, project: str, name: str, at_us: int) -> int:
    """Count the calls and effects that arrived after the answer: I8 allows what was in flight."""
    rows = await world.rows("SELECT id FROM subtasks WHERE project_id = :one", one=project)
    own = {row["id"] for row in rows}
    times = [one.at_us for one in read_effects(world) if one.subtask_id in own]
    times += [one.at_us for one in asked(world.model) if one.project == name]
    return sum(time_us > at_us for time_us in times)
