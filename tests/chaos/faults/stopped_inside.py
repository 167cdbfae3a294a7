"""A worker stopped inside a transaction, with its locks: its supervisor kills it, the rest goes on."""

import time
from collections.abc import MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

from nexus.cli.stack.programs import worker_programs
from nexus.cli.stack.supervisor import Supervisor
from nexus.failpoints import VARIABLE
from nexus.settings import read_settings
from tests.chaos.fault import Figures, fault, require
from tests.chaos.world import World
from tests.support.rig import plan, task

TASKS: Final = 12
SLACK_SECONDS: Final = 2.0
WORKERS: Final = 2
POINTS: Final = ("settle", "begin", "record", "claim")


def is_stopped(pid: int) -> bool:
    """Tell whether a process is stopped by a signal, from Linux's /proc."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@fault(
    "stopped-inside",
    row="SIGSTOP a worker inside a transaction: its supervisor kills it after two leases",
    runs=20,
    short=0,
)
async def stopped_inside(world: World) -> Figures:
    point = f"{world.random.choice(POINTS)}.before_commit=stop@1"
    environment = world.environment(world.data, {})
    settings = read_settings(
        data_dir=world.data, workers=WORKERS, lease_seconds=world.lease_seconds
    )
    first, *others = worker_programs(settings, environment, world.folder)
    armed = replace(first, environment={**environment, VARIABLE: point})
    said: list[tuple[float, str]] = []
    options = {"instructions": "marks: 1", "max_attempts": 20}
    async with Supervisor(lambda words: said.append((time.monotonic(), words))) as supervisor:
        await supervisor.start([armed], ready_within=None)
        cast(MutableMapping[str, str], armed.environment).pop(VARIABLE)  # started again without
        await world.until(lambda: world.count("SELECT count(*) FROM workers"), what="a worker")
        tasks = [task(f"t{n}", "marker", **options) for n in range(TASKS)]
        project = await world.submit(plan(*tasks))
        await supervisor.start(others, ready_within=None)
        pid = supervisor.pid_of(armed.name)
        await world.until(lambda: is_stopped(pid), what=f"a worker to stop at {point}")
        began = time.monotonic()
        await world.until(
            lambda: any("no sign of life" in words for _, words in said),
            what=f"the supervisor to kill a worker stopped at {point}",
        )
        world.interruptions += 1
        killed = time.monotonic() - began
        states = await world.end([project])
        ended = time.monotonic() - began - killed
    require(states[project] == "succeeded", f"the project {states[project]}")
    limit = armed.silence_seconds + SLACK_SECONDS + world.slack_seconds
    require(killed <= limit, f"it was killed after {killed:.1f} s, {limit:g} s allowed")
    kills = sum("no sign of life" in words for _, words in said)
    require(kills == 1, f"{kills} workers were killed, one was stopped: {said}")
    return {"killed after s": round(killed, 2), "done after s": round(ended, 2), "point": point}
