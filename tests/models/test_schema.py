"""The migrations make the very schema that the models describe, on both databases."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from nexus.models import projects, work
from nexus.models.address import find_database
from nexus.models.columns import Table
from nexus.models.database import open_database
from nexus.models.migrate import HEAD, revision
from nexus.settings import read_settings

TABLES = (projects, work)


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": False})
    return list(compare_metadata(context, Table.metadata))


async def test_the_migrations_make_the_models_schema(tmp_path: Path, database_url: str) -> None:
    settings = read_settings(data_dir=tmp_path / "data", database_url=database_url)
    database = await open_database(settings)
    await database.close()
    engine = create_async_engine(find_database(settings).sqlalchemy_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(revision) == HEAD
        assert await connection.run_sync(differences) == []
    await engine.dispose()


def test_every_table_names_its_workspace() -> None:
    without = [name for name, table in Table.metadata.tables.items() if "workspace" not in table.c]
    assert without == []
