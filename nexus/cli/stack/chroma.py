"""The embedded Chroma: what the memory room says to run, on a free loopback port."""

import os
from dataclasses import dataclass
from pathlib import Path

from nexus.cli.stack.answers import answers_at
from nexus.cli.stack.child import Program
from nexus.cli.stack.ports import free_port
from nexus.errors import ServiceMissing


@dataclass(frozen=True, slots=True)
class Chroma:
    """A Chroma server to run, and the URL it will answer at."""

    program: Program
    url: str


def embedded_chroma(folder: Path, log: Path) -> Chroma:
    """Say how to run Chroma over `folder`.

    Raises:
        ServiceMissing: the server is not installed.
    """
    from nexus.memory.server import chroma_command, server_installed

    if not server_installed():
        raise ServiceMissing(
            "no embedded Chroma: chromadb is not installed, documents cannot be searched",
            hint="install nexus-ai[embedded], or set NEXUS_CHROMA_URL to a Chroma server of yours",
        )
    port = free_port()
    command, environment = chroma_command(port, folder)
    url = f"http://127.0.0.1:{port}"
    program = Program(
        name="chroma",
        command=tuple(command),
        log=log,
        environment={**os.environ, **environment},
        is_ready=answers_at(f"{url}/api/v2/heartbeat"),
        stop_seconds=5.0,
    )
    return Chroma(program, url)
