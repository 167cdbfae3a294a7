"""The peers by name, the environment each runs in, and running one of them once."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.installation import Broken, clean_environment
from benchmarks.processes import Watch
from tests.support.places import ROOT

REQUIREMENTS: Final = ROOT / "benchmarks" / "peers" / "requirements"
ENVIRONMENTS: Final = ROOT / ".bench" / "environments"
BOTH: Final = ("sqlite", "postgresql")
GRAPHS: Final = ("w1", "w2", "w3", "w4")
RUN_SECONDS: Final = 300.0
INSTALL_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Peer:
    """A file of `benchmarks/peers/`; `requirements` is None when Python alone is enough.

    What keeps its state in neither database runs once a round, beside Nexus on SQLite.
    """

    name: str
    title: str
    module: str
    requirements: str | None
    databases: tuple[str, ...]
    workloads: tuple[str, ...]


PEERS: Final[Mapping[str, Peer]] = {
    peer.name: peer
    for peer in (
        Peer("floor", "asyncio + SQLite, a commit each", "floor", None, ("sqlite",), GRAPHS),
        Peer("langgraph", "LangGraph, sync", "langgraph_graph", "langgraph", BOTH, (*GRAPHS, "w5")),
        Peer(
            "langgraph-functional",
            "LangGraph, functional API",
            "langgraph_functional",
            "langgraph",
            BOTH,
            GRAPHS,
        ),
        Peer("dbos", "DBOS", "dbos_steps", "dbos", BOTH, GRAPHS),
        Peer("dbos-queues", "DBOS, queues", "dbos_queues", "dbos", BOTH, ("w2", "w3")),
        Peer("celery", "Celery, Redis", "celery_tasks", "celery", ("sqlite",), ("w1", "w2", "w3")),
        Peer("prefect", "Prefect", "prefect_flow", "prefect", ("sqlite",), GRAPHS),
        Peer(
            "openai-agents",
            "OpenAI Agents, SQLite session",
            "openai_agents",
            "openai-agents",
            ("sqlite",),
            ("w5",),
        ),
        Peer(
            "pydantic-ai",
            "pydantic-ai, nothing durable",
            "pydantic_ai_agent",
            "pydantic-ai",
            ("sqlite",),
            ("w5",),
        ),
    )
}
NEEDED: Final = ("floor", "langgraph", "dbos", "dbos-queues")
"""The peers that targets are measured against."""


def python_of(peer: Peer) -> Path:
    """Return the Python of a peer's environment."""
    if peer.requirements is None:
        return Path(sys.executable)
    return ENVIRONMENTS / peer.requirements / "bin" / "python"


def prepare(peer: Peer) -> None:
    """Make a peer's environment when it is missing or older than its requirements.

    Raises:
        Broken: it cannot be installed.
    """
    if peer.requirements is None:
        return
    wanted = REQUIREMENTS / f"{peer.requirements}.txt"
    stamp = ENVIRONMENTS / peer.requirements / "requirements.sha256"
    mark = hashlib.sha256(wanted.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == mark:
        return
    sys.stderr.write(f"Installing {peer.title} into its own environment\n")
    _call(sys.executable, "-m", "venv", "--clear", str(stamp.parent))
    options = ("--disable-pip-version-check", "--no-input", "--quiet", "--require-hashes")
    _call(str(python_of(peer)), "-m", "pip", "install", *options, "-r", str(wanted))
    stamp.write_text(mark)


def _call(*command: str) -> None:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS
    )
    if done.returncode:
        raise Broken(f"{' '.join(command[1:4])}: {done.stderr[-1_000:]}")


@dataclass(frozen=True, slots=True)
class Task:
    """One workload for a peer; `small` only shows that the peer runs."""

    workload: str
    folder: Path
    database_url: str
    redis_url: str
    model_url: str
    small: bool = False


def run_peer(peer: Peer, task: Task) -> dict[str, float]:
    """Run one workload in a process of the peer's environment; watch its memory.

    Raises:
        Broken: it failed or took too long.
    """
    task.folder.mkdir(parents=True)
    command = [str(python_of(peer)), "-m", f"benchmarks.peers.{peer.module}", task.workload]
    command += ["--folder", str(task.folder), "--database", task.database_url]
    command += ["--redis", task.redis_url, "--model", task.model_url]
    command += ["--small"] if task.small else []
    log = task.folder / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command,
            cwd=task.folder,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
        )
        with Watch((process.pid,) if task.workload == "w3" else ()) as watch:
            said = _outcome(process, log)
    figures = {"seconds": float(json.loads(said)["seconds"])}
    if task.workload == "w3":
        figures |= {"rss_mb": watch.peak.rss, "pss_mb": watch.peak.pss}
    return figures


def _outcome(process: "subprocess.Popen[str]", log: Path) -> str:
    try:
        said, _ = process.communicate(timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Broken(f"{log.parent.name} took longer than {RUN_SECONDS:.0f} s") from None
    if process.returncode or not said.strip():
        raise Broken(f"{log.parent.name}: {log.read_text(errors='replace')[-1_000:]}")
    return said.strip().splitlines()[-1]
