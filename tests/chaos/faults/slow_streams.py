"""Five hundred watchers of one project's events, some of whom hardly read: the API stays small."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field

from tests.chaos.fault import Figures, fault, require
from tests.chaos.world import World
from tests.support.rig import plan, task

STREAMS, STREAMS_SHORT = 500, 40
SLOW_EVERY = 5
LEAVES_EVERY = 7
TASKS, TASKS_SHORT = 800, 100
"""Each some 5 KB of history: together far more than the kernel holds for a connection."""
MOST_MEMORY_MB = 100.0
READ_BYTES = 65_536
END_SECONDS = 180.0


@dataclass
class Watcher:
    """A client with a socket of its own, which follows to the end, coming back where it was."""

    world: World
    project_id: str
    key: str
    is_slow: bool = False
    leaves: bool = False
    seqs: list[int] = field(default_factory=list)
    size: int = 0
    connections: int = 0
    is_over: bool = False
    allowed: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self) -> None:
        """Read until the history ends, reconnecting with Last-Event-ID."""
        while not self.is_over:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._connect()

    async def _connect(self) -> None:
        # A reader of 64 KB and a small window: what it does not read stays with the server.
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.world.api_port, limit=READ_BYTES
        )
        self.connections += 1
        last = self.seqs[-1] if self.seqs else 0
        lines = (
            f"GET /projects/{self.project_id}/events HTTP/1.1",
            "Host: nexus",
            f"Authorization: Bearer {self.key}",
            "Accept: text/event-stream",
            f"Last-Event-ID: {last}",
        )
        writer.write("\r\n".join([*lines, "", ""]).encode())
        try:
            await reader.readuntil(b"\r\n\r\n")
            await self._read(reader)
        finally:
            writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        rest = b""
        while size := int(await reader.readline(), 16):
            piece = await reader.readexactly(size + 2)
            *whole, rest = (rest + piece[:-2]).split(b"\n")
            self._take(whole)
            if self.is_over or (self.leaves and self.connections == 1 and len(self.seqs) > 10):
                return
            if self.is_slow and self.connections == 1:
                await self.allowed.wait()  # and reads nothing while everybody else reads all

    def _take(self, lines: list[bytes]) -> None:
        for line in lines:
            self.size += len(line) + 1
            if line.startswith(b"data: "):
                event = json.loads(line[6:])
                self.seqs.append(event["seq"])
                self.is_over = event["type"] == "project.failed"


@fault(
    "slow-streams",
    row="500 event streams with slow readers among them",
    runs=3,
    short_databases=("sqlite",),
    limit_seconds=300.0,
)
async def slow_streams(world: World) -> Figures:
    api = await world.start_api()
    await world.start_worker()
    tasks = TASKS_SHORT if world.is_short else TASKS
    held = json.dumps({"gate": str(world.folder / "gate")})
    project = await world.submit(
        plan(
            task("gate", "waiter", instructions=held),
            *(task(f"t{n}", "wordy", "gate") for n in range(tasks)),
        )
    )
    async with world.client() as http:
        before_answer = await http.get(f"/projects/{project}/events")
        key = http.headers["authorization"].removeprefix("Bearer ")
    require(before_answer.status_code == 200, f"events answered {before_answer.status_code}")
    before = api.memory_mb()
    count = STREAMS_SHORT if world.is_short else STREAMS
    watchers = [
        Watcher(world, project, key, n % SLOW_EVERY == 0, n % LEAVES_EVERY == 1)
        for n in range(count)
    ]
    async with asyncio.TaskGroup() as following:
        for watcher in watchers:
            following.create_task(watcher.follow())
        await world.until(lambda: all(one.connections for one in watchers), what="every stream")
        (world.folder / "gate").touch()
        await world.end([project], within=END_SECONDS)
        quick = [one for one in watchers if not one.is_slow]
        await world.until(lambda: all(one.is_over for one in quick), within=END_SECONDS)
        grown = round(api.memory_mb() - before, 1)
        for one in watchers:
            one.allowed.set()
    for one in watchers:
        require(
            one.seqs == list(range(1, len(one.seqs) + 1)), f"a stream has gaps: {one.seqs[-20:]}"
        )
    require(len({len(one.seqs) for one in watchers}) == 1, "streams ended at different events")
    require(grown <= MOST_MEMORY_MB, f"the API grew by {grown} MB")
    return {
        "streams": count,
        "slow": count - len(quick),
        "events": len(watchers[0].seqs),
        "MB each": round(watchers[0].size / 1e6, 1),
        "reconnected": sum(one.connections > 1 for one in watchers),
        "API + MB": grown,
    }
