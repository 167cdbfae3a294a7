"""Nexus's own processes as programs: the API and the workers, over the chosen settings."""

import os
import sys
from functools import partial
from pathlib import Path
from typing import Final

from nexus.cli.stack.answers import answers_at
from nexus.cli.stack.child import Program
from nexus.orchestrator import heartbeat
from nexus.orchestrator.heartbeat import WORKERS
from nexus.settings import Settings

WORKER_LEAVE_SECONDS: Final = 10.0
"""Beyond the drain; the worker ends itself sooner than this."""
LEAST_SILENCE_SECONDS: Final = 3.0


def environment_for(settings: Settings, port: int) -> dict[str, str]:
    """Build the complete environment of a child: ours, with the chosen settings made explicit."""
    chosen = {
        "NEXUS_DATA_DIR": str(settings.data),
        "NEXUS_HOST": settings.host,
        "NEXUS_PORT": str(port),
        "NEXUS_CONCURRENCY": str(settings.concurrency),
        "NEXUS_WORKERS": str(settings.workers),
    }
    if settings.model:
        chosen["NEXUS_MODEL"] = settings.model
    return {**os.environ, **chosen}


def api_program(url: str, environment: dict[str, str], logs: Path) -> Program:
    """Say how to run the API that answers at `url`."""
    return Program(
        name="api",
        command=(sys.executable, "-m", "nexus", "serve"),
        log=logs / "api.log",
        environment=environment,
        is_ready=answers_at(f"{url}/healthz"),
    )


def worker_programs(settings: Settings, environment: dict[str, str], logs: Path) -> list[Program]:
    """Say how to run the workers; they count as ready when they run.

    One whose pulse has not beaten for two leases has lost what it held, and is killed.
    """
    last_beat = partial(heartbeat.last_beat, settings.data / WORKERS)
    return [
        Program(
            name=f"worker-{number}",
            command=(sys.executable, "-m", "nexus", "worker"),
            log=logs / f"worker-{number}.log",
            environment=environment,
            is_ready=_always,
            stop_seconds=settings.drain_seconds + WORKER_LEAVE_SECONDS,
            last_beat=last_beat,
            silence_seconds=max(LEAST_SILENCE_SECONDS, 2 * settings.lease_seconds),
        )
        for number in range(1, settings.workers + 1)
    ]


async def _always() -> bool:
    return True
