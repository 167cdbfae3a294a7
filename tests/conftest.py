"""Fixtures for every test: real Valkey, real PostgreSQL, waiting, and a clean way out.

The session works in a directory of its own under `.pytest_tmp/`, without the settings of
whoever runs it, and fails when a process it started is still alive at the end.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support import processes
from tests.support.migrated import migrate
from tests.support.places import ROOT
from tests.support.postgres import Server, run_postgres
from tests.support.spares import Spares
from tests.support.valkey import command, run_valkey
from tests.support.variables import VARIABLES
from tests.support.waiting import until as wait_until

SESSIONS: Final = ROOT / ".pytest_tmp"


def _forget_settings() -> None:
    """Keep keys and addresses of the person who runs the tests out of them."""
    for name in VARIABLES:
        os.environ.pop(name, None)


def _remove_old_folders() -> None:
    """Remove what sessions that failed and are over left to look at."""
    for folder in SESSIONS.glob("[0-9]*"):
        if not processes.is_alive(int(folder.name)):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give the session its directory, its marker and an empty configuration."""
    _remove_old_folders()
    folder = SESSIONS / str(os.getpid())
    work = folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    config.option.basetemp = str(folder / "tests")
    os.environ["TMPDIR"] = str(work)
    os.environ["PYTHONPATH"] = str(ROOT)
    tempfile.tempdir = str(work)
    _forget_settings()
    processes.mark_session()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail when a process is left; remove the session's directory when all went well."""
    left = processes.wait_for_none(limit_seconds=3.0)
    for found in left:
        processes.kill(found)
        print(f"\nLEFT BEHIND by the tests and killed: {found.pid} {found.command}")
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    elif exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        shutil.rmtree(SESSIONS / str(os.getpid()), ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def work_folder() -> Iterator[Path]:
    """Run the session away from the clone's own `.env` and data."""
    folder = Path(tempfile.gettempdir())
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="session")
def valkey_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A Valkey server shared by the session."""
    with run_valkey(tmp_path_factory.mktemp("valkey")) as port:
        yield port


@pytest.fixture
def redis_url(valkey_port: int) -> str:
    """The address of a Redis without a key in it."""
    assert command(valkey_port, "FLUSHALL").startswith(b"+OK")
    return f"redis://127.0.0.1:{valkey_port}/0"


@pytest.fixture(scope="session")
def postgres_server(work_folder: Path) -> Iterator[Server]:
    """A PostgreSQL server shared by the session."""
    with run_postgres(work_folder / "postgres") as server:
        yield server


@pytest.fixture
async def postgres_url(postgres_server: Server, tmp_path: Path) -> AsyncIterator[str]:
    """The address of an empty PostgreSQL database that goes away after the test."""
    name = f"empty_{abs(hash(tmp_path)):x}"
    await postgres_server.execute(f'CREATE DATABASE "{name}"')
    yield postgres_server.url(name)
    await postgres_server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, once for each kind Nexus runs on."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'nexus.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with the newest schema, to copy."""
    folder = tmp_path_factory.mktemp("migrated")
    migrate(f"sqlite:///{folder / 'nexus.db'}", folder)
    return folder / "nexus.db"


@pytest.fixture(scope="session")
def spares(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Spares:
    """PostgreSQL databases with the newest schema."""
    name = "migrated"
    asyncio.run(postgres_server.execute(f'CREATE DATABASE "{name}"'))
    migrate(postgres_server.url(name), tmp_path_factory.mktemp("migrated"))
    return Spares(postgres_server, name)


@pytest.fixture
async def migrated_postgres_url(spares: Spares) -> AsyncIterator[str]:
    async with spares.lend() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with the newest schema, once for each kind Nexus runs on."""
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("migrated_file"), tmp_path / "nexus.db")
        return f"sqlite:///{tmp_path / 'nexus.db'}"
    url: str = request.getfixturevalue("migrated_postgres_url")
    return url


@pytest.fixture
def until() -> object:
    """`await until(condition, timeout=10)`: wait until the condition is true."""
    return wait_until
