"""An installation run the way the README says: a copy of the files, `.env`, `uvicorn`, `python worker.py`."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx2

from tests.support.places import ROOT, free_port
from tests.support.processes import end

FILES: Final = ("main.py", "worker.py", ".env.example")
START_SECONDS: Final = 60.0
GRAIN_SECONDS: Final = 0.02
LEASE_SECONDS: Final = 2.0


def copy_project(folder: Path) -> Path:
    """Copy the files a clone has into `folder`, and `.env.example` to `.env`."""
    folder.mkdir(parents=True)
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "nexus", folder / "nexus", ignore=without)
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    shutil.copy(folder / ".env.example", folder / ".env")
    return folder


@dataclass
class Installation:
    """A clone's folder, what its processes are told, and the processes."""

    folder: Path
    settings: dict[str, str]
    port: int = field(default_factory=free_port)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        return self.folder / ".nexus"

    @property
    def key(self) -> str:
        return (self.data / "admin.key").read_text().removesuffix("\n")

    def environment(self) -> dict[str, str]:
        """The environment of a terminal in the clone: nothing of the tests' own imports."""
        ours = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
        return {**{k: v for k, v in os.environ.items() if k not in ours}, **self.settings}

    def start_api(self) -> subprocess.Popen[bytes]:
        """Run `uvicorn main:app` and wait until it answers."""
        options = ("--host", "127.0.0.1", "--port", str(self.port))
        api = self.spawn("uvicorn", "-m", "uvicorn", "main:app", *options)
        self._wait(api, self._answers)
        return api

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Run `python worker.py` and wait until it says that it works."""
        worker = self.spawn("worker", "worker.py")
        self._wait(worker, lambda: b"worker.started" in self.log(worker).read_bytes())
        return worker

    def spawn(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start Python in the clone, with a log named after it."""
        number = len(self.processes)
        with (self.folder / f"{number}-{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=self.folder,
                env=self.environment(),
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def log(self, process: subprocess.Popen[bytes]) -> Path:
        """Find the log of a process."""
        return next(self.folder.glob(f"{self.processes.index(process)}-*.log"))

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill -9."""
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def stop(self) -> None:
        """End whatever still runs."""
        for process in reversed(self.processes):
            end(process, limit_seconds=30.0)

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/healthz", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False

    def _wait(self, process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
        over = time.monotonic() + START_SECONDS
        while not ready():
            ended = process.poll() is not None
            assert not ended and time.monotonic() < over, self.log(process).read_text()
            time.sleep(GRAIN_SECONDS)
