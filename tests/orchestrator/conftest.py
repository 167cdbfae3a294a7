"""An engine on each database, with a real Redis."""

import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from nexus.models.sqlite import connect
from tests.scripted_model import ScriptedModel
from tests.support.rig import Rig, open_rig


@pytest.fixture
async def rig(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path, database_url=database_url, redis_url=redis_url) as opened:
        yield opened


@pytest.fixture
async def server() -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel() as model:
        yield model


@pytest.fixture
async def scripted(
    tmp_path: Path, database_url: str, redis_url: str, server: ScriptedModel
) -> AsyncIterator[Rig]:
    """A rig whose model is the scripted one."""
    async with open_rig(
        tmp_path,
        database_url=database_url,
        redis_url=redis_url,
        model="openai:scripted",
        openai_base_url=server.base_url,
    ) as opened:
        yield opened


@pytest.fixture(scope="session")
def empty(
    migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sqlite3.Connection]:
    """A migrated database that state machines copy."""
    connection = connect(Path(shutil.copy(migrated_file, tmp_path_factory.mktemp("machine"))))
    yield connection
    connection.close()
