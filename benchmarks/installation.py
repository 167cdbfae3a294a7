"""One Nexus under measurement: database, Valkey, API and workers as the processes they are in use.

Made by the runs for a round and taken down after it. Nothing of the caller's own settings
reaches it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2

from nexus.cli.stack.valkey import embedded_valkey
from nexus.settings import Settings
from tests.support.places import ROOT, free_port
from tests.support.processes import end

START_SECONDS: Final = 60.0
GRAIN_SECONDS: Final = 0.02
PLUGIN: Final = "benchmarks.plugin"


class Broken(RuntimeError):
    """What was to be measured did not work; the message has the end of a log."""


def clean_environment() -> dict[str, str]:
    """Return this process's environment without any setting of Nexus in it."""
    ours = {
        field.validation_alias
        if isinstance(field.validation_alias, str)
        else f"NEXUS_{name.upper()}"
        for name, field in Settings.model_fields.items()
    }
    return {**{k: v for k, v in os.environ.items() if k not in ours}, "PYTHONPATH": str(ROOT)}


@dataclass
class Installation:
    """Its processes, what they are told, and a client with the administrator's key."""

    folder: Path
    settings: dict[str, str]
    port: int = field(default_factory=free_port)
    api: subprocess.Popen[bytes] | None = None
    valkey: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _logs: dict[int, Path] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def roots(self) -> tuple[int, ...]:
        """Return the processes Nexus consists of; a PostgreSQL server is not among them."""
        parts = [self.api, self.valkey, *self.workers]
        return tuple(part.pid for part in parts if part is not None and part.poll() is None)

    def start(self) -> None:
        """Start Valkey and the API, and wait until it answers."""
        valkey = embedded_valkey(self.folder / "valkey", self.folder / "valkey.log")
        self.settings = {**self.settings, "NEXUS_REDIS_URL": valkey.url}
        self.valkey = self.spawn("valkey", *valkey.program.command)
        listen = ("--host", "127.0.0.1", "--port", str(self.port))
        self.api = self.spawn("api", sys.executable, "-m", "uvicorn", "nexus.main:app", *listen)
        self.wait(self.api, self._answers)

    def start_worker(self, **settings: str) -> subprocess.Popen[bytes]:
        """Start a worker and wait until it says that it works."""
        worker = self.launch_worker(**settings)
        self.wait(worker, lambda: b"worker.started" in self._logs[worker.pid].read_bytes())
        return worker

    def launch_worker(self, **settings: str) -> subprocess.Popen[bytes]:
        """Start a worker without waiting for it."""
        name = f"worker-{len(self._logs)}"
        worker = self.spawn(name, sys.executable, str(ROOT / "worker.py"), **settings)
        self.workers.append(worker)
        return worker

    def spawn(self, name: str, *command: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start a process with this installation's settings and a log of its own."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**clean_environment(), **self.settings, **settings},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
            )
        self._logs[process.pid] = log
        return process

    def wait(self, process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
        """Wait until a process is ready.

        Raises:
            Broken: it ended, or took too long.
        """
        over = time.monotonic() + START_SECONDS
        while not ready():
            if process.poll() is not None or time.monotonic() > over:
                tail = self._logs[process.pid].read_text(errors="replace")[-2_000:]
                raise Broken(f"{self._logs[process.pid].name}: {tail}")
            time.sleep(GRAIN_SECONDS)

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/healthz", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False

    @contextmanager
    def client(self) -> Iterator["Client"]:
        """Open a client with the administrator's key."""
        key = (self.data / "admin.key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        with httpx2.Client(base_url=self.url, headers=headers, timeout=120) as http:
            yield Client(http)

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """Kill -9."""
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)
        self.workers.remove(worker)

    def stop_workers(self) -> None:
        """Drain every worker."""
        for worker in self.workers:
            end(worker, limit_seconds=30.0)
        self.workers.clear()

    def stop(self) -> None:
        """End everything."""
        self.stop_workers()
        for part in (self.api, self.valkey):
            if part is not None:
                end(part, limit_seconds=30.0)


@dataclass(frozen=True, slots=True)
class Client:
    """The acts of somebody who uses the API."""

    http: httpx2.Client

    def get(self, path: str, **params: str | int) -> Any:
        """Read a JSON answer."""
        answer = self.http.get(path, params=params)
        if answer.status_code != 200:
            raise Broken(f"GET {path} was answered {answer.status_code}: {answer.text[:500]}")
        return answer.json()

    def create(self, plan: dict[str, Any], **fields: Any) -> str:
        """Post a project with its plan; return its id."""
        body = {"goal": "Be measured", "plan": plan, **fields}
        answer = self.http.post("/projects", content=json.dumps(body).encode(), headers=JSON)
        if answer.status_code != 201:
            raise Broken(f"POST /projects was answered {answer.status_code}: {answer.text[:500]}")
        made: str = answer.json()["id"]
        return made

    def execute(self, project_id: str) -> None:
        """Set a project in motion."""
        answer = self.http.post(f"/projects/{project_id}/execute")
        if answer.status_code != 202:
            raise Broken(f"execute was answered {answer.status_code}: {answer.text[:500]}")

    def finish(self, project_id: str, *, grain: float = 0.05, limit: float = 600.0) -> Any:
        """Ask from time to time until a project has succeeded; return it.

        Raises:
            Broken: it ended otherwise, or not in time.
        """
        over = time.monotonic() + limit
        while True:
            shown = self.get(f"/projects/{project_id}")
            if shown["status"] == "succeeded":
                return shown
            if shown["status"] != "running" or time.monotonic() > over:
                raise Broken(f"the project is {shown['status']}: {shown['error']}")
            time.sleep(grain)


JSON: Final = {"Content-Type": "application/json"}


@contextmanager
def install(folder: Path, database_url: str, model_url: str) -> Iterator[Installation]:
    """Start an installation without workers in an empty folder; it ends with the block."""
    folder.mkdir(parents=True)
    settings = {
        "NEXUS_DATA_DIR": str(folder / "data"),
        "NEXUS_DATABASE_URL": database_url,
        "NEXUS_PLUGINS": PLUGIN,
        "NEXUS_MODEL": "openai:after-0",
        "NEXUS_CONCURRENCY": "1000",
        "OPENAI_BASE_URL": model_url,
    }
    made = Installation(folder, settings)
    try:
        made.start()
        yield made
    finally:
        made.stop()
