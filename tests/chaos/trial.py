"""One run of one fault: a world is made, the fault is done to it, and the checker judges."""

import asyncio
import shutil
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from nexus.errors import NexusError
from tests.chaos.checker import check
from tests.chaos.evidence import gather
from tests.chaos.fault import Fault, Figures
from tests.chaos.ground import Ground
from tests.chaos.world import World


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run; `folder` is kept when something was wrong."""

    fault: str
    database: str
    seed: int
    seconds: float
    figures: Figures
    violations: tuple[str, ...]
    folder: Path

    @property
    def again(self) -> str:
        """The command that repeats this run."""
        where = f"--database {self.database} --only {self.fault}"
        return f"python -m tests.chaos {where} --seed {self.seed} --runs 1"


async def try_fault(
    ground: Ground, fault: Fault, database: str, *, seed: int, short: bool = False
) -> Result:
    """Run a fault once, whatever comes of it."""
    began = time.monotonic()
    figures: Figures = {}
    violations: list[str] = []
    world = World(ground, fault.name, database=database, seed=seed, short=short)
    try:
        async with asyncio.timeout(fault.limit_seconds), world:
            try:
                figures = await fault.run(world)
            except (AssertionError, TimeoutError, OSError, NexusError) as wrong:
                violations.append(f"{type(wrong).__name__}: {wrong}")
                _keep(world.folder, wrong)
            violations += check(await gather(world))
    except (TimeoutError, OSError, NexusError) as wrong:
        violations.append(f"the run did not end: {type(wrong).__name__}: {wrong}")
        _keep(world.folder, wrong)
    result = Result(
        fault.name,
        database,
        seed,
        round(time.monotonic() - began, 2),
        figures,
        tuple(violations),
        world.folder,
    )
    if result.violations:
        (world.folder / "violations").write_text("\n".join([result.again, *violations, ""]))
    else:
        shutil.rmtree(world.folder, ignore_errors=True)
    return result


def _keep(folder: Path, wrong: BaseException) -> None:
    (folder / "traceback").write_text("".join(traceback.format_exception(wrong)))
