"""A process of a world, and the signals a fault sends it."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from tests.chaos.nursling import Nursling

END_SECONDS: Final = 30.0


class Process(Protocol):
    """What `subprocess.Popen` and a child of the nursery have in common."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...
    def terminate(self) -> None: ...


@dataclass
class Member:
    """A worker or an API; `id` is a worker's id in the database, empty until it is known."""

    name: str
    process: Process
    log_file: Path
    data: Path
    started_us: int
    id: str = ""
    joined_us: int = 0
    is_paused: bool = False

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def kill(self) -> int:
        """Kill -9 and reap; return when, in microseconds."""
        at_us = time.time_ns() // 1_000
        if self.is_alive:
            self.process.kill()
        self.process.wait(END_SECONDS)
        return at_us

    def terminate(self) -> None:
        """Ask it to end: SIGTERM."""
        self.process.terminate()

    def pause(self) -> int:
        """Stop it in mid-air: SIGSTOP; return when, in microseconds."""
        os.kill(self.pid, signal.SIGSTOP)
        self.is_paused = True
        return time.time_ns() // 1_000

    def resume(self) -> None:
        """Let it go on: SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)
        self.is_paused = False

    def end(self) -> int:
        """End it politely, however it is; return its exit code."""
        if self.is_alive:
            if self.is_paused:
                self.resume()
            self.terminate()
        try:
            return self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def memory_mb(self) -> float:
        """Its peak resident set, from Linux's /proc; 0 when it is gone."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0.0
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0


def start(
    name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> Member:
    """Start a process in `folder`, with a log named after it."""
    log_file = folder / f"{name}.log"
    started_us = time.time_ns() // 1_000
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            list(command), cwd=folder, env=dict(environment), stdout=log, stderr=log
        )
    return Member(name, process, log_file, Path(environment["NEXUS_DATA_DIR"]), started_us)


def fork(
    nursery: str, name: str, wanted: Mapping[str, Any], environment: Mapping[str, str], folder: Path
) -> Member:
    """Have the nursery make a process; `wanted` is its kind and its options."""
    log_file = folder / f"{name}.log"
    log_file.touch()
    started_us = time.time_ns() // 1_000
    told = {"environment": dict(environment), "folder": str(folder), "log": str(log_file)}
    process = Nursling(nursery, {**wanted, **told})
    return Member(name, process, log_file, Path(environment["NEXUS_DATA_DIR"]), started_us)
