"""Ending a server, and finding the processes a test session left behind.

Every process started during the session inherits a marker in its environment, so an
orphan is found even after its parent is gone. Looks at /proc; elsewhere finds nothing.
"""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MARKER: Final = "NEXUS_TEST_SESSION"
PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class Leftover:
    """A process that outlived the tests."""

    pid: int
    command: str


def end(process: subprocess.Popen[bytes], *, limit_seconds: float = 10.0) -> None:
    """Ask a child to stop, kill it when it does not, and reap it."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(limit_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(limit_seconds)


def is_alive(pid: int) -> bool:
    """Tell whether a process has this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def mark_session() -> None:
    """Give this process and every child from now on the marker of this session."""
    os.environ[MARKER] = f"{os.getpid()}-{time.time_ns()}"


def _leftover(folder: Path, marker: bytes) -> Leftover | None:
    try:
        if marker not in (folder / "environ").read_bytes().split(b"\0"):
            return None
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return None
    return Leftover(int(folder.name), command.strip())


def marked(marker: str) -> list[Leftover]:
    """List the living processes with `marker` (`NAME=value`) in their environment, without this one."""
    folders = [folder for folder in PROC.glob("[0-9]*") if folder.name != str(os.getpid())]
    return [found for folder in folders if (found := _leftover(folder, marker.encode()))]


def leftovers() -> list[Leftover]:
    """List the living processes of this session, without this one."""
    return marked(f"{MARKER}={os.environ[MARKER]}")


def wait_for_none(limit_seconds: float) -> list[Leftover]:
    """Give processes that are just ending a moment; return those that stay."""
    over = time.monotonic() + limit_seconds
    while (found := leftovers()) and time.monotonic() < over:
        time.sleep(0.02)
    return found


def kill(found: Leftover) -> None:
    """End a leftover at once."""
    try:
        os.kill(found.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
