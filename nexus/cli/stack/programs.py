"""Nexus's own processes as programs: the API and the workers, over the chosen settings."""

import os
import sys
from pathlib import Path
from typing import Final

from nexus.cli.stack.answers import answers_at
from nexus.cli.stack.child import Program
from nexus.settings import Settings

WORKER_STOP_SECONDS: Final = 20.0


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


def worker_programs(count: int, environment: dict[str, str], logs: Path) -> list[Program]:
    """Say how to run `count` workers; they count as ready when they run."""
    return [
        Program(
            name=f"worker-{number}",
            command=(sys.executable, "-m", "nexus", "worker"),
            log=logs / f"worker-{number}.log",
            environment=environment,
            is_ready=_always,
            stop_seconds=WORKER_STOP_SECONDS,
        )
        for number in range(1, count + 1)
    ]


async def _always() -> bool:
    return True
