"""A process that follows one project with many streams, quick, slow and stuck ones among them.

    python -m tests.load.streams PORT KEY PROJECT STREAMS

Every tenth stream reads slowly and every tenth not at all. Prints what the quick ones saw.
"""

import asyncio
import json
import sys
import time
from typing import Final

from tests.load.wire import Wire

SMALL: Final = 2**12
"""Bytes read ahead: beyond them, who does not read is felt by the server."""


async def follow(wire: Wire, project_id: str, slow: bool) -> tuple[int, float]:
    """Follow a stream to its end; return the last event's number and when it ended."""
    last = 0
    async for line in wire.follow(f"/projects/{project_id}/events"):
        if line.startswith(b"id: "):
            if int(line[4:]) != last + 1:
                raise RuntimeError(f"event {line!r} came after {last}")
            last += 1
            if slow:
                await asyncio.sleep(0.01)
    return last, time.time()


async def stick(wire: Wire, project_id: str) -> None:
    """Open a stream and read nothing of it."""
    await wire.send("GET", f"/projects/{project_id}/events", accept="text/event-stream")
    await asyncio.Event().wait()


async def main(port: int, key: str, project_id: str, streams: int) -> None:
    """Open the streams and wait for the quick ones."""
    quick: list[asyncio.Task[tuple[int, float]]] = []
    others: list[asyncio.Task[object]] = []
    for number in range(streams):
        wire = await Wire.open(port, key, SMALL)
        if number % 10 == 1:
            others.append(asyncio.create_task(stick(wire, project_id)))
        elif number % 10 == 2:
            others.append(asyncio.create_task(follow(wire, project_id, slow=True)))
        else:
            quick.append(asyncio.create_task(follow(wire, project_id, slow=False)))
    print("open", flush=True)
    seen = await asyncio.gather(*quick)
    for task in others:
        task.cancel()
    ends = [at for _, at in seen]
    print(
        json.dumps(
            {
                "to the end": len(seen),
                "events": sorted({last for last, _ in seen}),
                "first at its end": min(ends, default=0),
                "last at its end": max(ends, default=0),
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
