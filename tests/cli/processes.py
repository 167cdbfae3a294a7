"""Real processes for tests: stand-in children, and waiting for what they do."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nexus.cli.stack.child import Program

PATIENCE_SECONDS = 20.0
GRAIN_SECONDS = 0.01


async def until(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if holds():
                return
            await asyncio.sleep(GRAIN_SECONDS)


def until_now(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds, outside an event loop."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(GRAIN_SECONDS)


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie that waits for its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children_of(pid: int) -> list[int]:
    """The children of a process, as Linux lists them; a process that has gone has none."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found


STAND_IN = """
import pathlib, signal, sys, time
diary, name, on_term = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
def note(what):
    with diary.open("a") as file:
        file.write(f"{name} {what}\\n")
def end(*_):
    note("told to end")
    if on_term == "obey":
        sys.exit(0)
signal.signal(signal.SIGTERM, end)
note("started")
while True:
    signal.pause()
"""


def stand_in(name: str, folder: Path, *, on_term: str = "obey", by_kernel: bool = True) -> Program:
    """A child that keeps a diary in `<folder>/diary` and ends, or not, when told to."""
    diary = folder / "diary"

    async def is_ready() -> bool:
        return f"{name} started" in read_diary(folder)

    return Program(
        name=name,
        command=(sys.executable, "-I", "-S", "-c", STAND_IN, str(diary), name, on_term),
        log=folder / f"{name}.log",
        is_ready=is_ready,
        stop_seconds=10.0 if on_term == "obey" else 0.3,
        by_kernel=by_kernel,
    )


def read_diary(folder: Path) -> list[str]:
    """What the stand-ins wrote, in order."""
    diary = folder / "diary"
    return diary.read_text().splitlines() if diary.exists() else []
