"""Kill -9 of the API while clients post: each of them asks again with its Idempotency-Key."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Any, Final

import httpx2

from tests.chaos.fault import Figures, Violation, fault, require
from tests.chaos.installation import GRAIN_SECONDS
from tests.chaos.member import Member
from tests.chaos.world import World
from tests.support.rig import plan, task

POSTS: Final = 100
CLIENTS: Final = 10
STREAMS: Final = 5
AGAIN: Final = (httpx2.TransportError, json.JSONDecodeError)
LAST: Final = ("project.succeeded", "project.failed", "project.cancelled")


class Clients:
    """Clients that post until each of their projects is accepted, and keep what was answered."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.http = world.client()
        self.answers: dict[int, set[str]] = {}
        self.asked = 0
        self.broken = 0
        document = plan(task("only", "quick"))
        self._body = {"plan": document.model_dump(mode="json"), "auto_execute": True}

    async def post(self, number: int) -> str:
        """Ask until there is an answer; return the project's id."""
        while True:
            self.asked += 1
            try:
                answer = await self.http.post(
                    "/projects",
                    json={"goal": f"Goal {number}", **self._body},
                    headers={"Idempotency-Key": f"post-{number}"},
                )
            except AGAIN:
                self.broken += 1
                await asyncio.sleep(GRAIN_SECONDS)
                continue
            require(answer.status_code in (201, 503), f"POST was answered {answer.status_code}")
            if answer.status_code == 201:
                project_id: str = answer.json()["id"]
                self.answers.setdefault(number, set()).add(project_id)
                self.world.accepted.add(project_id)
                return project_id

    async def post_all(self) -> None:
        """Post every project, a few at a time, and each of them a second time."""
        waiting = iter(range(POSTS))

        async def one_client() -> None:
            for number in waiting:
                await self.post(number)
                await self.post(number)

        async with asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(one_client())

    async def follow(self, project_id: str) -> list[dict[str, Any]]:
        """Follow a project's events to the end, going on after the last seen one."""
        events: list[dict[str, Any]] = []
        while not (events and events[-1]["type"] in LAST):
            with suppress(*AGAIN):
                async for event in self._listen(project_id, len(events)):
                    events.append(event)
            await asyncio.sleep(GRAIN_SECONDS)
        return events

    async def _listen(self, project_id: str, after: int) -> AsyncIterator[dict[str, Any]]:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        path = f"/projects/{project_id}/events"
        async with self.http.stream("GET", path, headers=headers) as answer:
            if answer.status_code != 200:
                raise Violation(f"the stream was answered {answer.status_code}")
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    event = json.loads(line.removeprefix("data: "))
                    if "seq" in event:  # words of a model have none
                        yield event


def has_ended(member: Member) -> bool:
    """Tell whether a process is gone."""
    return not member.is_alive


async def _keep_serving(world: World, points: list[str]) -> int:
    """Serve the API, armed to die at each point in turn, and once by itself; return its deaths."""
    for point in points:
        passing = world.random.randint(5, POSTS // (len(points) + 1))
        api = await world.start_api(NEXUS_FAILPOINTS=f"{point}=kill@{passing}")
        await world.until(partial(has_ended, api), what=f"the API to die at {point}")
        world.interruptions += 1
    await world.start_api()
    return len(points)


@fault(
    "kill-api",
    row="kill -9 the API while 100 POSTs run; the same Idempotency-Key gives the same project",
    runs=20,
    short_databases=("sqlite",),
)
async def kill_api(world: World) -> Figures:
    points = ["create.committed", "create.before_commit", "announce.done"]
    world.random.shuffle(points)
    first = await world.start_api()
    worker = world.spawn_worker()
    clients = Clients(world)
    watched = [await clients.post(-1 - number) for number in range(STREAMS)]
    following = [asyncio.create_task(clients.follow(one)) for one in watched]
    posting = asyncio.create_task(clients.post_all())
    await world.until(lambda: clients.asked > STREAMS + world.random.randint(1, 20))
    world.kill(first)
    deaths = 1 + await _keep_serving(world, points[: 1 if world.is_short else None])
    await world.joined([worker])
    await posting
    streams = await asyncio.gather(*following)
    states = await world.end(world.accepted)
    require(set(states.values()) == {"succeeded"}, f"projects ended {sorted(states.values())}")
    doubled = {number: ids for number, ids in clients.answers.items() if len(ids) > 1}
    require(not doubled, f"one key gave several projects: {doubled}")
    made = await world.count("SELECT count(*) FROM projects")
    require(made == POSTS + STREAMS, f"{made} projects of {POSTS + STREAMS} POSTs")
    for events in streams:
        seqs = [event["seq"] for event in events]
        require(seqs == list(range(1, len(seqs) + 1)), f"a stream has a gap: {seqs}")
    await clients.http.aclose()
    return {
        "POSTs": POSTS,
        "deaths": deaths,
        "broken requests": clients.broken,
        "lost": 0,
        "duplicates": made - POSTS - STREAMS,
    }
