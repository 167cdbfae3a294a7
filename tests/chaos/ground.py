"""What the worlds of one session stand on: a folder, and one PostgreSQL server started when needed."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.chaos.nursling import run_nursery
from tests.support.postgres import Server, run_postgres


class Ground:
    """Used as a context manager; ends the server at its end.

    `opening` is held while a database is migrated, which one process does one at a time;
    `nursery` names the process that forks workers of a warm ground, "" where each starts cold.
    """

    def __init__(
        self, folder: Path, *, server: Server | None = None, is_warm: bool = False
    ) -> None:
        self.folder = folder
        self.nursery = ""
        self.opening = asyncio.Lock()
        self._is_warm = is_warm
        self._server = server
        self._numbers = itertools.count(1)
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._is_warm:
            self.nursery = self._opened.enter_context(run_nursery(self.folder))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    @property
    def server(self) -> Server:
        """The PostgreSQL server, started at the first use."""
        if self._server is None:
            folder = self.folder / "postgres"
            shutil.rmtree(folder, ignore_errors=True)
            self._server = self._opened.enter_context(run_postgres(folder))
        return self._server

    def make_folder(self, name: str) -> Path:
        """Make a folder for one run."""
        folder = self.folder / f"{next(self._numbers):03d}-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    @asynccontextmanager
    async def database(self, kind: str, folder: Path) -> AsyncIterator[str]:
        """Give an empty database; yield its address."""
        if kind == "sqlite":
            yield f"sqlite:///{folder / 'nexus.db'}"
            return
        name = f"chaos_{abs(hash(str(folder))):x}"
        await self.server.execute(f'CREATE DATABASE "{name}"')
        try:
            yield self.server.url(name)
        finally:
            await self.server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
