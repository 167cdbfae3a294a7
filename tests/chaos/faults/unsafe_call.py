"""Kill -9 inside an unsafe call, twice: it is put to a person, and never made again unasked."""

import json
from typing import Any

import httpx2

from tests.chaos.evidence import read_effects
from tests.chaos.fault import Figures, fault, require
from tests.chaos.member import Member
from tests.chaos.world import World
from tests.support.rig import plan, task

KNOWN = {"letter": 7}


async def _asked(world: World, http: httpx2.AsyncClient, letters: int) -> str:
    """Wait for the question; return its id. Meanwhile the call was not made again."""
    found: list[dict[str, Any]] = []

    async def is_asked() -> bool:
        answer = await http.get("/approvals", params={"status": "pending"})
        found[:] = answer.json()["items"]
        return bool(found)

    await world.until(is_asked, what="the question")
    require(len(found) == 1, f"{len(found)} questions about one call")
    sent = len(read_effects(world))
    require(sent == letters, f"{sent} letters were sent, {letters} were allowed")
    return str(found[0]["id"])


async def _answer(http: httpx2.AsyncClient, question: str, **decision: Any) -> None:
    answer = await http.post(f"/approvals/{question}", json=decision)
    require(answer.status_code == 200, f"the decision was answered with {answer.status_code}")


async def _dead(world: World, armed: Member) -> None:
    """Wait until a worker has died at the point it was armed with."""
    await world.until(lambda: not armed.is_alive, within=30, what="an armed worker to die")
    world.interruptions += 1


def _side_of(world: World, act: str) -> str:
    return f"{act}.{world.random.choice(('before_commit', 'committed'))}"


@fault(
    "unsafe-call",
    row="kill -9 inside an unsafe call, again once it was approved, and around the commits of "
    "question and renewal; a person is asked each time",
    runs=20,
    limit_seconds=240,
    short_databases=("sqlite",),
)
async def unsafe_call(world: World) -> Figures:
    gate = world.folder / "never"
    await world.start_api()
    worker = await world.start_worker()
    project = await world.submit(
        plan(
            task("letter", "postal", instructions=str(gate), max_attempts=8),
            task("beside", "walker", instructions=json.dumps({"steps": 0})),
        )
    )
    async with world.client() as http:
        await world.until(lambda: len(read_effects(world)) == 1, what="the letter")
        world.kill(worker)
        await _dead(world, world.spawn_worker(NEXUS_FAILPOINTS=f"{_side_of(world, 'ask')}=kill"))
        armed = await world.start_worker(NEXUS_FAILPOINTS="renew.before_commit=kill")
        first = await _asked(world, http, letters=1)
        await _answer(http, first, decision="approve")
        await _dead(world, armed)
        worker = await world.start_worker()
        await world.until(lambda: len(read_effects(world)) == 2, what="the approved call")
        world.kill(worker)
        await world.start_worker()
        second = await _asked(world, http, letters=2)
        require(second != first, "a decision was taken for two calls")
        takes_value = world.random.random() < 0.5
        if takes_value:
            await _answer(http, second, decision="approve", value=KNOWN)
        else:
            await _answer(http, second, decision="reject", comment="went out by hand")
        states = await world.end([project])
    require(states[project] == "succeeded", f"the project {states[project]}")
    rows = await world.rows("SELECT s.output FROM subtasks s WHERE s.agent = 'postal'")
    expected = json.dumps(KNOWN) if takes_value else "went out by hand"
    require(expected in rows[0]["output"], f"the task says {rows[0]['output']}")
    effects = read_effects(world)
    keys = {one.key for one in effects}
    require((len(effects), len(keys)) == (2, 1), f"{len(effects)} calls, {len(keys)} keys")
    return {"asked": 2, "calls": len(effects), "keys": len(keys), "taken": int(takes_value)}
