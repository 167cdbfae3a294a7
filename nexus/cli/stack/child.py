"""One child process: started under a tether, asked for readiness, ended within a deadline.

`Program` says what to run; `Child` is the running of it. The supervisor decides when.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from nexus.cli.stack.logfile import open_log

TETHER: Final = Path(__file__).with_name("tether.py")
KERNEL_TETHER: Final = sys.platform == "linux"
KILL_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Program:
    """What to run.

    `is_ready` answers at once and may be asked many times; `environment` is complete, not
    an addition; `last_signal` is what the child receives when the supervisor is killed.
    `last_beat` tells by process id when the program last showed that it goes on (any number
    that changes, None before the first time); one silent for `silence_seconds` is killed.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    is_ready: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    stop_seconds: float = 10.0
    last_signal: signal.Signals = signal.SIGKILL
    by_kernel: bool = KERNEL_TETHER
    last_beat: Callable[[int], int | None] | None = None
    silence_seconds: float = 30.0


class Child:
    """A running program, in a process group of its own: a terminal's Ctrl-C reaches only the supervisor."""

    def __init__(self, program: Program, process: asyncio.subprocess.Process) -> None:
        self.program = program
        self.pid = process.pid
        self._process = process

    @classmethod
    async def start(cls, program: Program) -> "Child":
        """Start the program; must be called on the main thread, whose death Linux reports."""
        log = open_log(program.log)
        way = "kernel" if program.by_kernel else "pipe"
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(TETHER)),
                *(way, str(int(program.last_signal)), str(os.getpid())),
                *program.command,
                stdin=asyncio.subprocess.DEVNULL if program.by_kernel else asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=dict(program.environment),
                start_new_session=True,
            )
        finally:
            os.close(log)
        return cls(program, process)

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    async def wait(self) -> int:
        """Wait for the end; return the exit code, negative for a signal."""
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask with SIGTERM; when the deadline passes, kill the whole process group."""
        if self.is_running:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(self.program.stop_seconds):
                    await self._process.wait()
            except TimeoutError:
                self.kill()
        self.kill()
        with suppress(TimeoutError):
            async with asyncio.timeout(KILL_SECONDS):
                await self._process.wait()

    def kill(self) -> None:
        """Kill the process group: also what an ended child left behind."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
