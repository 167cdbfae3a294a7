"""Where a run of the benchmarks happens: its folder, its databases and the model server."""

import itertools
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.installation import Installation, install
from benchmarks.services import Databases, serve_model, serve_redis
from tests.support.postgres import run_postgres

DURABLE: tuple[str, ...] = ("max_connections=300",)
"""PostgreSQL as it comes: fsync, full_page_writes and synchronous_commit stay on."""


@dataclass(frozen=True, slots=True)
class Site:
    """Gives out new installations and new databases; `redis_url` is for peers alone."""

    folder: Path
    databases: Databases
    model_url: str
    redis_url: str
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def place(self, name: str) -> Path:
        """Name a folder that does not exist yet."""
        return self.folder / f"{name}-{next(self._numbers)}"

    @contextmanager
    def nexus(self, database: str) -> Iterator[Installation]:
        """Start a Nexus without workers over an empty database."""
        folder = self.place("nexus")
        url = self.databases.fresh(database, folder.name.replace("-", "_"))
        with install(folder, url, self.model_url) as installation:
            yield installation


@contextmanager
def open_site(folder: Path, *, postgres: bool, keep: bool = False) -> Iterator[Site]:
    """Start what all engines share in a new folder; it goes away with the block."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        if not keep:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        server = None
        if postgres:
            server = stack.enter_context(run_postgres(folder / "postgres", DURABLE))
        model_url = stack.enter_context(serve_model(folder))
        redis_url = stack.enter_context(serve_redis(folder))
        yield Site(folder, Databases(folder, server), model_url, redis_url)
