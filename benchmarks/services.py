"""What Nexus and its peers share while they are measured: databases, a model server, a Redis."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.installation import Broken, clean_environment
from nexus.cli.stack.valkey import Valkey, embedded_valkey
from tests.support.postgres import Server
from tests.support.processes import end


@dataclass(frozen=True, slots=True)
class Databases:
    """Gives each round an empty database of the wanted kind."""

    folder: Path
    postgres: Server | None

    def fresh(self, kind: str, name: str) -> str:
        """Return the address of a new database.

        Raises:
            Broken: PostgreSQL was not started for this run.
        """
        if kind == "sqlite":
            return f"sqlite:///{self.folder / name}.db"
        if self.postgres is None:
            raise Broken("PostgreSQL is not running")
        asyncio.run(self.postgres.execute(f'CREATE DATABASE "{name}"'))
        return self.postgres.url(name)


@contextmanager
def serve_model(folder: Path) -> Iterator[str]:
    """Run the model server as a process; yield its base URL."""
    with ExitStack() as stack:
        log = stack.enter_context((folder / "model.log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.model_server"],
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        stack.callback(end, process)
        assert process.stdin is not None and process.stdout is not None
        stack.callback(process.stdin.close)
        stack.callback(process.stdout.close)
        port = int(process.stdout.readline())
        yield f"http://127.0.0.1:{port}/v1"


async def _is_ready(valkey: Valkey) -> bool:
    return await valkey.program.is_ready()


@contextmanager
def serve_redis(folder: Path) -> Iterator[str]:
    """Run a Valkey for peers the way Nexus runs its own; yield its URL."""
    valkey = embedded_valkey(folder / "peers-valkey", folder / "peers-valkey.log")
    with ExitStack() as stack:
        log = stack.enter_context((folder / "peers-valkey.log").open("wb"))
        process = subprocess.Popen(
            valkey.program.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        stack.callback(end, process)
        while not asyncio.run(_is_ready(valkey)):
            if process.poll() is not None:
                raise Broken(f"Valkey did not start: {(folder / 'peers-valkey.log').read_text()}")
        yield valkey.url
