"""A child of the nursery as its world sees it, and the nursery as its session runs it."""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.places import ROOT

START_SECONDS: Final = 60.0
READY: Final = b"ready\n"


class Nursling:
    """A child of the nursery, with what is needed of `subprocess.Popen`."""

    def __init__(self, name: str, wanted: dict[str, Any]) -> None:
        self.returncode: int | None = None
        self._line = socket.socket(socket.AF_UNIX)
        self._line.settimeout(START_SECONDS)
        self._line.connect(f"\0{name}")
        self._line.sendall(json.dumps(wanted).encode() + b"\n")
        self._answers = self._line.makefile("rb")
        self.pid = int(self._answers.readline())

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self._listen(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raise subprocess.TimeoutExpired when that takes too long."""
        code = self._listen(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("a child of the nursery", timeout or 0.0)
        return code

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _listen(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._line, selectors.EVENT_READ)
                if not selector.select(timeout):
                    return None
            self.returncode = int(self._answers.readline() or -signal.SIGKILL)
            self._answers.close()
            self._line.close()
        return self.returncode


@contextmanager
def run_nursery(folder: Path, inside: Sequence[str] = ()) -> Iterator[str]:
    """Start a nursery, perhaps `inside` another program; yield its name once it listens."""
    name = f"nursery-{os.getpid()}-{time.time_ns()}"
    with (folder / "nursery.log").open("wb") as log:
        process = subprocess.Popen(
            [*inside, sys.executable, "-m", "tests.chaos.nursery", name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    with process:
        if not process.stdout or process.stdout.readline() != READY:
            raise RuntimeError(f"no nursery: {(folder / 'nursery.log').read_text()}")
        yield name
