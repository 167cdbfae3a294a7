"""A worker whose clock is 90 s wrong: leases go by the database's clock, so none is stolen."""

import importlib.util
import json
from pathlib import Path
from typing import Final

from tests.chaos.fault import Figures, Violation, fault, require
from tests.chaos.measures import attempts_lost
from tests.chaos.world import World
from tests.support.rig import plan, task

NAMES: Final = ("libfaketime.so.1", "libfaketimeMT.so.1")
DEBIAN: Final = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/lib64/faketime")
SECONDS, SHORT_SECONDS = 60.0, 4.0
SKEW: Final = "90s"
TASKS: Final = 12
STEPS: Final = 8


def find_libfaketime() -> Path:
    """Find the library, of the wheel or of the system.

    Raises:
        Violation: there is none; the fault cannot be done, and must not seem to have passed.
    """
    wheel = importlib.util.find_spec("libfaketime")
    places = [Path(wheel.origin).parent] if wheel and wheel.origin else []
    places += [found for place in DEBIAN for found in Path("/").glob(place[1:])]
    for place in places:
        for name in NAMES:
            for found in place.rglob(name):
                return found
    raise Violation(
        "libfaketime is not here, so no clock can be changed: pip install libfaketime, or "
        "apt-get install libfaketime"
    )


@fault(
    "clock",
    row="a worker's clock 90 s ahead, another's 90 s behind; no lease is stolen in 60 s",
    runs=1,
    databases=("postgresql",),
    limit_seconds=180,
)
async def clock(world: World) -> Figures:
    wrong = {
        "LD_PRELOAD": str(find_libfaketime()),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NEXUS_SANDBOX": "monty",  # a fork under libfaketime may hang before its exec
    }
    world.settings = {"NEXUS_LEASE_SECONDS": "15"}
    workers = [
        world.spawn_worker(elsewhere=True, **wrong, FAKETIME=f"+{SKEW}"),
        world.spawn_worker(elsewhere=True, **wrong, FAKETIME=f"-{SKEW}"),
        world.spawn_worker(elsewhere=True),
    ]
    await world.joined(workers)
    seconds = SHORT_SECONDS if world.is_short else SECONDS
    options = json.dumps({"steps": STEPS, "rest_seconds": seconds / STEPS})
    project = await world.submit(
        plan(*(task(f"t{n}", "walker", instructions=options) for n in range(TASKS)))
    )
    states = await world.end([project], within=seconds + 60)
    require(states[project] == "succeeded", f"the project {states[project]}")
    stolen = await attempts_lost(world)
    require(stolen == 0, f"{stolen} leases were stolen")
    rows = await world.rows("SELECT data FROM events WHERE type = 'subtask.started'")
    shares = {json.loads(row["data"])["worker"] for row in rows}
    return {"seconds": seconds, "leases stolen": stolen, "workers that worked": len(shares)}
