"""A worker's sign of life on its own machine: the time of its lock file.

The worker's pulse renews it whether the database answers or not; the supervisor of the
embedded stack reads it. Leases of the database know nothing of it.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

WORKERS: Final = "workers"
"""The folder of the data directory in which workers' lock files are."""


def sign(lock: Path) -> None:
    """Say in a lock file whose it is: this process, and who started it."""
    lock.write_text(f"{os.getpid()} {os.getppid()}\n")


def beat(lock: Path) -> None:
    """Show that this process goes on."""
    with suppress(FileNotFoundError):
        os.utime(lock)


def last_beat(folder: Path, pid: int) -> int | None:
    """Return when a worker (or the child of a guardian) last beat, in ns; None if it never did."""
    beats: list[int] = []
    for lock in folder.glob("*.lock"):
        with suppress(OSError):
            if str(pid) in lock.read_text().split():
                beats.append(lock.stat().st_mtime_ns)
    return max(beats, default=None)
